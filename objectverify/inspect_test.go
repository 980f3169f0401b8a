package objectverify

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/memory"
)

var rewrite = flag.Bool("rewrite", false, "write the golden texts")

var storedTime = regexp.MustCompile(`stored \d\S+`)

func inspected(t *testing.T, key string, body []byte) (string, int) {
	t.Helper()
	bucket := memory.New()
	if err := bucket.PutIfAbsent(t.Context(), key, [][]byte{body}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	damages, err := Inspect(t.Context(), bucket, key, true, &out)
	if err != nil {
		t.Fatal(err)
	}
	return storedTime.ReplaceAllString(out.String(), "stored TIME"), damages
}

// golden are the objects that objectformat keeps of each format.
func golden(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "objectformat", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var (
	keyV1 = kafka.ObjectID{Epoch: 42, Sequence: 7}.Key("orders-eu")
	keyV2 = kafka.ObjectID{Epoch: 42, Sequence: 8}.Key("orders-eu")
)

func TestInspect(t *testing.T) {
	v1, v2 := golden(t, "v1.ink"), golden(t, "v2.ink")
	change := func(b []byte, at int) []byte {
		b = bytes.Clone(b)
		b[at] ^= 1
		return b
	}
	for name, test := range map[string]struct {
		key     string
		body    []byte
		damages int
	}{
		"v1":             {keyV1, v1, 0},
		"v2":             {keyV2, v2, 0},
		"another_key":    {strings.Replace(keyV1, "07.ink", "08.ink", 1), v1, 1},
		"damaged_batch":  {keyV1, change(v1, 100), 2}, // the batch, and its segment
		"damaged_footer": {keyV1, change(v1, len(v1)-40), 1},
		"damaged_offset": {keyV2, change(v2, 15), 1},
		"truncated":      {keyV1, v1[:300], 1},
		"no_object":      {keyV1, []byte("something else, and long enough to be one"), 1},
		"damaged_length": {keyV1, change(v1, 8+11), 2},
	} {
		t.Run(name, func(t *testing.T) {
			got, damages := inspected(t, test.key, test.body)
			if damages != test.damages || strings.Count(got, "DAMAGED") != damages {
				t.Errorf("%d damages, want %d:\n%s", damages, test.damages, got)
			}
			file := filepath.Join("testdata", name+".txt")
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil || got != string(want) {
				t.Errorf("%v, got\n%s\nwant\n%s", err, got, want)
			}
		})
	}
}

// No byte can change, and none can be missing, without being said.
func TestInspectSeesEveryByte(t *testing.T) {
	v1 := golden(t, "v1.ink")
	for at := range v1 {
		b := bytes.Clone(v1)
		b[at] ^= 0x10
		if got, damages := inspected(t, keyV1, b); damages == 0 {
			t.Errorf("byte %d changed:\n%s", at, got)
		}
	}
	for n := range v1 {
		if got, damages := inspected(t, keyV1, v1[:n]); damages == 0 {
			t.Errorf("cut to %d bytes:\n%s", n, got)
		}
	}
}

func TestInspectOfNothing(t *testing.T) {
	if _, err := Inspect(t.Context(), memory.New(), keyV1, true, &bytes.Buffer{}); !errors.Is(err, objectstorage.ErrNotFound) {
		t.Error(err)
	}
}
