package wal

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	pb "go.etcd.io/raft/v3/raftpb"
	"pgregory.net/rapid"
)

func entry(index, term uint64, data string) *pb.Entry {
	return &pb.Entry{Index: &index, Term: &term, Type: pb.EntryNormal.Enum(), Data: []byte(data)}
}

func hardStateOf(term, vote, commit uint64) *pb.HardState {
	return &pb.HardState{Term: &term, Vote: &vote, Commit: &commit}
}

func mustOpen(t testing.TB, fs vfs.FS) *Log {
	t.Helper()
	l, err := Open(Config{FS: fs, Dir: "log", NodeID: 3, SegmentBytes: 4096, CacheBytes: 100})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustAppend(t testing.TB, l *Log, updates ...Update) {
	t.Helper()
	if _, err := l.Append(updates); err != nil {
		t.Fatal(err)
	}
}

// dump is all that raft can see.
func dump(t interface{ Fatal(...any) }, l *Log) (lines []string) {
	for _, id := range l.Groups() {
		g := l.Group(id)
		hs := g.HardState()
		lines = append(lines, fmt.Sprintf("group %d start %d/%d %q term %d vote %d last %d", id, g.start.Index, g.start.Term, g.start.Conf, hs.GetTerm(), hs.GetVote(), g.last()))
		if len(g.refs) == 0 {
			continue
		}
		entries, err := g.Entries(g.start.Index+1, g.last()+1, math.MaxUint64)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			lines = append(lines, fmt.Sprintf("  %d/%d %q", e.GetIndex(), e.GetTerm(), e.GetData()))
		}
	}
	return lines
}

// TestRestartsShowTheSame: whatever was appended, replaced, reset, compacted and removed looks the same after a crash that
// takes everything that was not synced, and parts of what was being written.
func TestRestartsShowTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := vfs.NewCrashableMem()
		open := func() *Log {
			l, err := Open(Config{FS: fs, Dir: "log", NodeID: 3, SegmentBytes: 4096, CacheBytes: 100})
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		l := open()
		term := uint64(1)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			id := rapid.Uint64Range(1, 3).Draw(t, "group")
			g := l.Group(id)
			if g == nil {
				g = &Group{}
			}
			var err error
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			default: // append, perhaps over what is there
				term += rapid.Uint64Range(0, 1).Draw(t, "term")
				from := g.last() + 1
				if n := uint64(len(g.refs)); n > 0 {
					from -= rapid.Uint64Range(0, min(n, 3)).Draw(t, "replaced")
				}
				u := Update{Group: id, HardState: hardStateOf(term, 1, from-1)}
				for i := range rapid.Uint64Range(1, 5).Draw(t, "entries") {
					data := strings.Repeat(string(rune('a'+i)), rapid.IntRange(0, 700).Draw(t, "size"))
					u.Entries = append(u.Entries, entry(from+i, term, data))
				}
				_, err = l.Append([]Update{u})
			case 5:
				_, err = l.Append([]Update{{Group: id, Reset: &Start{Index: g.last() + 10, Term: term, Conf: []byte("conf")}, HardState: hardStateOf(term, 0, g.last()+10)}})
			case 6:
				if n := uint64(len(g.refs)); n > 0 {
					err = l.Compact(map[uint64]uint64{id: g.start.Index + rapid.Uint64Range(1, n).Draw(t, "compacted")})
				}
				if removed := RemoveFiles(fs, l.Obsolete()); removed != nil {
					t.Fatal(removed)
				}
			case 7:
				err = l.Remove(id)
			case 8, 9:
				want := dump(t, l)
				crash := vfs.CrashCloneCfg{UnsyncedDataPercent: rapid.SampledFrom([]int{0, 50, 100}).Draw(t, "kept"), RNG: rand.New(rand.NewPCG(1, 2))}
				crashed := fs.CrashClone(crash)
				l.Close()
				fs = crashed
				l = open()
				if diff := cmp.Diff(want, dump(t, l)); diff != "" {
					t.Fatal(diff)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		l.Close()
	})
}

// lastSegment is the file that the log of fs wrote to last, and its bytes.
func lastSegment(t *testing.T, fs vfs.FS, which int) (string, []byte) {
	t.Helper()
	names, err := fs.List("log")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	path := fs.PathJoin("log", names[len(names)-1-which])
	return path, readAll(t, fs, path)
}

func readAll(t *testing.T, fs vfs.FS, path string) []byte {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, _ := f.Stat()
	b := make([]byte, info.Size())
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

func overwrite(t *testing.T, fs vfs.FS, path string, b []byte) {
	t.Helper()
	f, err := fs.Create(path, diskWrites)
	if err != nil {
		t.Fatal(err)
	}
	f.Write(slices.Clone(b))
	f.Sync()
	f.Close()
}

// threeRounds is a log of three frames and where the last begins.
func threeRounds(t *testing.T) (fs vfs.FS, path string, whole []byte, lastAt int) {
	fs = vfs.NewMem()
	l := mustOpen(t, fs)
	for i := range uint64(3) {
		lastAt = int(l.current().size)
		mustAppend(t, l, Update{Group: 1, HardState: hardStateOf(1, 1, i), Entries: []*pb.Entry{entry(i+1, 1, strings.Repeat("x", 900))}})
	}
	// Not closed, as in a crash.
	path, whole = lastSegment(t, fs, 0)
	if zero := bytes.TrimLeft(whole[l.current().size:], "\x00"); len(zero) > 0 || len(whole) == int(l.current().size) {
		t.Fatalf("%d bytes behind the last frame, %d of them not zeros", len(whole)-int(l.current().size), len(zero))
	}
	return fs, path, whole[:l.current().size], lastAt
}

func TestTornTailIsCut(t *testing.T) {
	for name, tear := range map[string]func(b []byte, at int) []byte{
		"short":                   func(b []byte, at int) []byte { return b[:len(b)-1] },
		"within the header":       func(b []byte, at int) []byte { return b[:at+5] },
		"a sector is missing":     func(b []byte, at int) []byte { clear(b[len(b)/512*512-512 : len(b)/512*512]); return b },
		"only the size is there":  func(b []byte, at int) []byte { clear(b[at:]); return b },
		"zeros behind, then more": func(b []byte, at int) []byte { clear(b[at:]); return append(b, make([]byte, 5000)...) },
		"a sector is missing, zeros behind": func(b []byte, at int) []byte {
			clear(b[len(b)/512*512-512 : len(b)/512*512])
			return append(b, make([]byte, 5000)...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			fs, path, b, at := threeRounds(t)
			overwrite(t, fs, path, tear(b, at))
			for range 3 { // the cut stays, also when more was written behind it
				l := mustOpen(t, fs)
				if last := l.Group(1).last(); last != 2 {
					t.Fatalf("the last entry is %d", last)
				}
				mustAppend(t, l, Update{Group: 2, HardState: hardStateOf(1, 1, 0)})
				dump(t, l)
				l.Close()
			}
		})
	}
}

// TestDamageIsNeverSkipped flips each bit of the segment in turn.
func TestDamageIsNeverSkipped(t *testing.T) {
	fs, path, whole, _ := threeRounds(t)
	fs.Remove(path)
	for at := 0; at < len(whole); at += 7 {
		fs := vfs.NewMem()
		fs.MkdirAll("log", 0o755)
		b := slices.Clone(whole)
		b[at] ^= 1 << (at % 8)
		overwrite(t, fs, path, b)
		l, err := Open(Config{FS: fs, Dir: "log", NodeID: 3})
		var damage *Damage
		if err == nil {
			t.Fatalf("a changed bit at %d was not seen, last entry %d", at, l.Group(1).last())
		}
		if !errors.As(err, &damage) || damage.Path != path {
			t.Fatalf("bit at %d: %v", at, err)
		}
	}
}

// TestANewerRecordIsNoDamage: a node with damage gives its log up, which one that was started with an older release must not.
func TestANewerRecordIsNoDamage(t *testing.T) {
	fs, path, b, at := threeRounds(t)
	b[at+frameHeaderSize] = 200
	sequence, _ := parseSegmentName(fs.PathBase(path))
	sealFrame(b[at:], sequence, int64(at))
	overwrite(t, fs, path, b)
	_, err := Open(Config{FS: fs, Dir: "log", NodeID: 3})
	if err == nil || errors.As(err, new(*Damage)) || !strings.Contains(err.Error(), fmt.Sprintf("%s has at offset %d a record of kind 200", path, at)) || !strings.Contains(err.Error(), "start the newer version") {
		t.Fatal(err)
	}
}

func TestDamageInAnOlderSegment(t *testing.T) {
	fs, path, whole, at := threeRounds(t)
	mustOpen(t, fs).Close()
	overwrite(t, fs, path, whole[:at]) // the end of a segment that has a successor
	if _, err := Open(Config{FS: fs, Dir: "log", NodeID: 3}); err == nil || !strings.Contains(err.Error(), "before offset") {
		t.Fatal(err)
	}
	fs.Remove(path)
	fs, path, _, _ = threeRounds(t)
	mustOpen(t, fs).Close()
	mustOpen(t, fs).Close()
	middle, _ := lastSegment(t, fs, 1)
	fs.Remove(middle)
	if _, err := Open(Config{FS: fs, Dir: "log", NodeID: 3}); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Fatal(err)
	}
	_ = path
}

func TestWrongNodeAndFullDisk(t *testing.T) {
	fs := vfs.NewMem()
	mustOpen(t, fs).Close()
	if _, err := Open(Config{FS: fs, Dir: "log", NodeID: 4}); err == nil || !strings.Contains(err.Error(), "belongs to node 3") {
		t.Fatal(err)
	}
}

// TestSegmentsGo: once every group is compacted, the files are few, whatever was written.
func TestSegmentsGo(t *testing.T) {
	fs := vfs.NewMem()
	l := mustOpen(t, fs)
	mustAppend(t, l, Update{Group: 9, Reset: &Start{Index: 1, Term: 1, Conf: []byte("c")}, HardState: hardStateOf(1, 1, 1)}) // idle for ever
	for i := range uint64(100) {
		mustAppend(t, l, Update{Group: 1, HardState: hardStateOf(1, 1, i), Entries: []*pb.Entry{entry(i+1, 1, strings.Repeat("x", 500))}})
	}
	if n, _ := l.Size(); n < 10 {
		t.Fatalf("%d segments", n)
	}
	if err := l.Compact(map[uint64]uint64{1: 99}); err != nil {
		t.Fatal(err)
	}
	if err := RemoveFiles(fs, l.Obsolete()); err != nil {
		t.Fatal(err)
	}
	if n, _ := l.Size(); n > 2 {
		t.Fatalf("%d segments are left", n)
	}
	want := dump(t, l)
	l.Close()
	l = mustOpen(t, fs)
	defer l.Close()
	if diff := cmp.Diff(want, dump(t, l)); diff != "" {
		t.Fatal(diff)
	}
	if len(want) != 3 || !strings.Contains(want[2], `start 1/1 "c"`) {
		t.Fatal(want)
	}
}
