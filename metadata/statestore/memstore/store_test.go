package memstore

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStore(t *testing.T) {
	s := New()
	for _, k := range []string{"c", "a", "d", "b"} {
		s.Set([]byte(k), []byte(k+k))
	}
	s.Set([]byte("b"), nil)
	if v, ok := s.Get([]byte("b")); !ok || v == nil || len(v) != 0 {
		t.Fatal(v, ok)
	}
	var seen []string
	s.Scan([]byte("b"), []byte("d"), func(k, _ []byte) bool { seen = append(seen, string(k)); return true })
	s.ScanReverse(nil, nil, func(k, _ []byte) bool { seen = append(seen, string(k)); return string(k) > "b" })
	if diff := cmp.Diff([]string{"b", "c", "d", "c", "b"}, seen); diff != "" {
		t.Fatal(diff)
	}
	before := s.Hash()
	s.DeleteRange([]byte("b"), []byte("d"))
	s.Delete([]byte("x"))
	if diff := cmp.Diff([]string{`"a"="aa"`, `"d"="dd"`}, s.Dump()); diff != "" {
		t.Fatal(diff)
	}
	if s.Hash() == before {
		t.Fatal("the hash does not cover the contents")
	}
}
