package topics

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// fieldRow is a row of docs/records.md: number, name, type and meaning.
var fieldRow = regexp.MustCompile("^\\| (\\d+) \\| `(\\w+)` \\| `([\\w ]+)` \\| (.+) \\|$")

// documented are the rows of each message's table, without their meaning.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../docs/records.md")
	if err != nil {
		t.Fatal(err)
	}
	tables, message := map[string][]string{}, ""
	for _, line := range strings.Split(string(text), "\n") {
		if name, ok := strings.CutPrefix(line, "### "); ok {
			if message = name; tables[message] != nil {
				t.Errorf("docs/records.md has two tables of %s", message)
			}
		} else if m := fieldRow.FindStringSubmatch(line); m != nil {
			tables[message] = append(tables[message], fmt.Sprintf("%s %s %s", m[1], m[2], m[3]))
		}
	}
	return tables
}

func schema(d protoreflect.MessageDescriptor) (rows []string) {
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		kind := f.Kind().String()
		if f.Message() != nil {
			kind = string(f.Message().Name())
		}
		if f.IsList() {
			kind = "repeated " + kind
		}
		rows = append(rows, fmt.Sprintf("%d %s %s", f.Number(), f.Name(), kind))
	}
	return rows
}

// TestRecordsAreDocumented: docs/records.md names every field of the schemas, and no other. That the schemas have every field of the code is TestMetadataProto,
// TestBatchCoordinatesProto and TestSamplesSetEveryField.
func TestRecordsAreDocumented(t *testing.T) {
	docs := documented(t)
	for _, file := range []string{"metadata.proto", "batch_coordinates.proto"} {
		files, err := (&protocompile.Compiler{Resolver: &protocompile.SourceResolver{}}).Compile(context.Background(), file)
		if err != nil {
			t.Fatal(err)
		}
		for i := range files[0].Messages().Len() {
			d := files[0].Messages().Get(i)
			want, got := schema(d), docs[string(d.Name())]
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: docs/records.md has a table of %s with\n%s\nthe schema has\n%s", file, d.Name(), strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			delete(docs, string(d.Name()))
		}
	}
	for name := range docs {
		t.Errorf("docs/records.md describes %s, which is in no schema", name)
	}
}

// TestSamplesSetEveryField: a field that is added to a record and not to the samples would escape the tests that hold the schemas to the code.
func TestSamplesSetEveryField(t *testing.T) {
	set, all := map[string]bool{}, map[string]bool{}
	for _, s := range metadataSamples {
		visit(reflect.ValueOf(s.record), "", set, all)
	}
	for _, s := range batchCoordinateSamples {
		visit(reflect.ValueOf(s.record), "", set, all)
	}
	for name := range all {
		if !set[name] {
			t.Errorf("no sample sets %s", name)
		}
	}
}

// visit notes the fields that there are, by their type, and those that are not zero.
func visit(v reflect.Value, name string, set, all map[string]bool) {
	if name != "" {
		all[name] = true
		set[name] = set[name] || !v.IsZero()
	}
	switch v.Kind() {
	case reflect.Pointer:
		visit(v.Elem(), "", set, all)
	case reflect.Slice:
		for i := range v.Len() {
			visit(v.Index(i), "", set, all)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			visit(v.Field(i), v.Type().Name()+"."+v.Type().Field(i).Name, set, all)
		}
	}
}
