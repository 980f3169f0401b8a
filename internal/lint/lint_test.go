package lint

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.."

func forbid(t *testing.T, imports map[string][]string, from, to, reason string, except ...string) {
	t.Helper()
	for folder, imported := range imports {
		if !Matches(from, folder) {
			continue
		}
	each:
		for _, i := range imported {
			if !Matches(to, i) {
				continue
			}
			for _, e := range except {
				if Matches(e, i) {
					continue each
				}
			}
			t.Errorf("%s imports %s: %s", folder, i, reason)
		}
	}
}

func TestImportsPointOneWay(t *testing.T) {
	imports, err := Imports(root)
	if err != nil {
		t.Fatal(err)
	}
	forbid(t, imports, "broker/...", "metadata/...", "the halves meet only in rpc and topics")
	forbid(t, imports, "metadata/...", "broker/...", "the halves meet only in rpc and topics")
	for _, shared := range []string{"rpc", "topics", "listener/...", "objectstorage/...", "objectformat/...", "objectverify/...", "clusterimage/...", "kafka/...", "internal/..."} {
		forbid(t, imports, shared, "broker/...", "shared packages know neither half")
		forbid(t, imports, shared, "metadata/...", "shared packages know neither half")
	}
	forbid(t, imports, "kafka/...", "rpc/...", "the shared words import nothing of ours but each other")
	for _, box := range []string{"api", "batchprocessor", "cachemanager", "compaction", "forwarding", "metadatacache", "putbudget"} {
		for _, other := range []string{"api", "batchprocessor", "cachemanager", "compaction", "forwarding", "metadatacache", "putbudget"} {
			if box != other {
				forbid(t, imports, "broker/"+box+"/...", "broker/"+other+"/...", "boxes do not import sibling boxes; broker.go hands in what they need")
			}
		}
	}
	for folder := range imports {
		if strings.HasPrefix(folder, "metadata/") && strings.HasSuffix(folder, "/state") {
			forbid(t, imports, folder, "listener/...", "a state machine does no I/O")
			forbid(t, imports, folder, "internal/clock", "a state machine reads no clock")
			forbid(t, imports, folder, "objectstorage/...", "a metadata node never touches objects")
		}
	}
	forbid(t, imports, "metadata/...", "objectstorage/...", "a metadata node holds no object-storage credentials")
}

// TestStateMachinesArePure finds what the import rules above cannot: the standard library's clocks, randomness and goroutines.
func TestStateMachinesArePure(t *testing.T) {
	imports, err := Imports(root)
	if err != nil {
		t.Fatal(err)
	}
	for folder := range imports {
		if !strings.HasPrefix(folder, "metadata/") || !strings.HasSuffix(folder, "/state") {
			continue
		}
		for _, file := range goFiles(t, folder) {
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, spec := range parsed.Imports {
				switch spec.Path.Value {
				case `"time"`, `"math/rand"`, `"math/rand/v2"`, `"crypto/rand"`, `"os"`, `"net"`, `"sync"`, `"log"`, `"log/slog"`, `"context"`:
					t.Errorf("%s imports %s: a state machine reads no clock, randomness or outside world", file, spec.Path.Value)
				}
			}
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	imports, err := Imports(root)
	if err != nil {
		t.Fatal(err)
	}
	for folder := range imports {
		said := false
		for _, file := range goFiles(t, folder) {
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			said = said || parsed.Doc != nil
		}
		if !said {
			t.Errorf("%s has no package comment", folder)
		}
	}
}

func TestLogLinesHaveFixedKeys(t *testing.T) {
	imports, err := Imports(root)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for folder := range imports {
		for _, file := range goFiles(t, folder) {
			wrong, n, err := LogKeys(file)
			if err != nil {
				t.Fatal(err)
			}
			seen += n
			for _, w := range wrong {
				t.Errorf("%s is not one of the keys of log_keys.go", w)
			}
		}
	}
	if seen < 200 {
		t.Errorf("%d keys were looked at: the calls of loggers are not found", seen)
	}
}

func goFiles(t *testing.T, folder string) (files []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, folder))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".go") && !strings.HasSuffix(e.Name(), "_test.go") {
			files = append(files, filepath.Join(root, folder, e.Name()))
		}
	}
	return files
}
