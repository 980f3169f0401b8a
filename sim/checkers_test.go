package sim

import (
	"context"
	"strings"
	"testing"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/objectstorage/memory"
	"github.com/inkwell-project/inkwell/rpc"
)

func wants(t *testing.T, err error, text string) {
	t.Helper()
	if text == "" && err != nil || text != "" && (err == nil || !strings.Contains(err.Error(), text)) {
		t.Errorf("got %v, want %q", err, text)
	}
}

// Each checker is told of a history that is wrong, beside one that is right.
func TestCheckersSeeWhatIsWrong(t *testing.T) {
	fresh := func() *History {
		h := NewHistory()
		h.Sent("c/t/0", "p", "a", "b", "c")
		return h
	}
	for _, c := range []struct {
		name string
		do   func(h *History) error
		want string
	}{
		{"in order", func(h *History) error { return h.Acked("c/t/0", "p", 0, "a", "b", "c") }, ""},
		{"two values at an offset", func(h *History) error { _ = h.Acked("c/t/0", "p", 0, "a"); return h.Acked("c/t/0", "p", 0, "b") }, "inconsistent offsets"},
		{"a value at two offsets", func(h *History) error { _ = h.Acked("c/t/0", "p", 0, "a"); return h.Read("c/t/0", "r", 1, "a") }, "duplicate"},
		{"another's value", func(h *History) error { return h.Read("d/t/0", "r", 0, "a") }, "another's value"},
		{"never sent", func(h *History) error { return h.Read("c/t/0", "r", 0, "x") }, "never sent"},
		{"refused and read", func(h *History) error { _ = h.Failed("c/t/0", "a"); return h.Read("c/t/0", "r", 0, "a") }, "aborted read"},
		{"lost", func(h *History) error { _ = h.Acked("c/t/0", "p", 0, "a"); return h.End("c/t/0", 0, 0) }, "lost write"},
		{"not dense", func(h *History) error { _ = h.Acked("c/t/0", "p", 1, "a"); return h.End("c/t/0", 0, 2) }, "not dense"},
		{"high watermark back", func(h *History) error { _ = h.Watermarks("c/t/0", "r", 0, 5); return h.Watermarks("c/t/0", "r", 0, 4) }, "went back"},
		{"one leader", func(h *History) error { _ = h.Leads("g", 1, 1); return h.Leads("g", 2, 2) }, ""},
		{"two leaders", func(h *History) error { _ = h.Leads("g", 1, 1); return h.Leads("g", 1, 2) }, "two leaders"},
		{"same state", func(h *History) error { _ = h.State(1, 7, "x", "n1"); return h.State(1, 7, "x", "n2") }, ""},
		{"other state", func(h *History) error { _ = h.State(1, 7, "x", "n1"); return h.State(1, 7, "y", "n2") }, "states differ"},
		{"one owner", func(h *History) error { _ = h.Owns("g", "m", 1, "0"); return h.Owns("g", "n", 2, "0") }, ""},
		{"two owners", func(h *History) error { _ = h.Owns("g", "m", 1, "0"); return h.Owns("g", "n", 1, "0") }, "two owners"},
		{"commit back", func(h *History) error { _ = h.Committed("g", 1, "0", 5); return h.Fetched("g", 1, "0", 5, 4) }, "went back"},
	} {
		t.Run(c.name, func(t *testing.T) { wants(t, c.do(fresh()), c.want) })
	}
}

func TestCoordinatesAreHeldAgainstTheStore(t *testing.T) {
	w := &World{trace: NewTrace(nil)}
	shared := memory.New()
	cl := &cluster{name: "c1", memory: newRecorder(w, "c1", shared)}
	key := func(sequence int64) string { return kafka.ObjectID{Sequence: sequence}.Key("c1") }
	for s := range int64(2) {
		if err := cl.memory.PutIfAbsent(context.Background(), key(s), [][]byte{make([]byte, 100)}); err != nil {
			t.Fatal(err)
		}
	}
	at := func(sequence, base, last int64, bytes int32) rpc.Coordinate {
		return rpc.Coordinate{Object: kafka.ObjectID{Sequence: sequence}, BaseOffset: base, LastOffset: last, Bytes: bytes}
	}
	check := func(coordinates ...rpc.Coordinate) error {
		return w.checkPartition(cl, rpc.PartitionCoordinates{HighWatermark: 10, Coordinates: coordinates, Complete: true}, cl.memory.deletions())
	}
	wants(t, check(at(0, 0, 4, 100), at(1, 5, 9, 50)), "")
	wants(t, check(at(0, 0, 4, 100), at(1, 6, 9, 50)), "not dense")
	wants(t, check(at(0, 0, 4, 100)), "reach from 0 to 4")
	wants(t, check(), "no coordinates")
	wants(t, check(at(0, 0, 4, 101), at(1, 5, 9, 50)), "which has 100")
	before := cl.memory.deletions()
	cl.memory.DeleteMany(context.Background(), []string{key(1)})
	wants(t, check(at(0, 0, 4, 100), at(1, 5, 9, 50)), "dangling")
	if cl.memory.deletedBefore(key(1), before) {
		t.Error("an object that was deleted while coordinates were read is called dangling")
	}
	if w.failed() {
		t.Fatal(w.wrong)
	}
	cl.memory.DeleteMany(context.Background(), []string{kafka.ObjectID{}.Key("c2")})
	if !w.failed() {
		t.Error("a broker of c1 deleted an object of c2")
	}
}
