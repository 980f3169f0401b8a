package objectstoragetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/inkwell-project/inkwell/objectstorage"
)

// Factory makes an empty bucket; the suite closes it.
type Factory func(t *testing.T) objectstorage.Bucket

// Run is the contract. Every backend and wrapper passes it.
func Run(t *testing.T, open Factory) { Suite{}.Run(t, open) }

// Suite is the contract with what some wrappers cannot promise left out.
type Suite struct {
	// SameBytesMayWin is for retries over a store that loses answers: a put of the very bytes that are there may be
	// taken for a repetition.
	SameBytesMayWin bool
}

// Run runs it.
func (s Suite) Run(t *testing.T, open Factory) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, b objectstorage.Bucket)
	}{
		{"what is put is read back", roundTrip},
		{"an empty object", s.emptyObject},
		{"a large body in many slices", largeBody},
		{"a taken key is refused and keeps its bytes", s.refusesTakenKey},
		{"one winner of many", oneWinner},
		{"ranges", ranges},
		{"a missing object", missing},
		{"keys that are refused", refusedKeys},
		{"list in key order", listOrder},
		{"list by prefix", listPrefix},
		{"list in pages, delete all in one call", pagesAndDeleteMany},
		{"a deleted key is free again", deletedKeyIsFree},
		{"parallel work", parallel},
		{"an upload in parts", uploadInParts},
		{"an upload to a taken key", s.uploadToTakenKey},
		{"an upload that is given up", uploadAborted},
		{"uploads that are forgotten", uploadsForgotten},
		{"uploads that are listed", uploadsListed},
		{"an ended ctx", endedContext},
		{"a closed bucket", closed},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := open(t)
			t.Cleanup(func() {
				if err := b.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			test.run(t, b)
		})
	}
}

// Body is n bytes from a fixed seed, cut into slices of many sizes, some of them empty.
func Body(seed uint64, n int) [][]byte {
	rng := rand.New(rand.NewPCG(seed, uint64(n)))
	all := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(all[i:], rng.Uint64())
	}
	all = all[:n]
	var body [][]byte
	for len(all) > 0 {
		cut := min(len(all), rng.IntN(n/40+3))
		body = append(body, all[:cut:cut])
		all = all[cut:]
	}
	return body
}

func put(t *testing.T, b objectstorage.Bucket, key string, body [][]byte) {
	t.Helper()
	if err := b.PutIfAbsent(t.Context(), key, body); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

// wantBytes reads the object whole and compares.
func wantBytes(t *testing.T, b objectstorage.Bucket, key string, body [][]byte) {
	t.Helper()
	want := bytes.Join(body, nil)
	info, err := b.Head(t.Context(), key)
	if err != nil {
		t.Fatalf("head: %v", err)
	}
	if info.Key != key || info.Bytes != int64(len(want)) {
		t.Fatalf("head of %s says %q, %d bytes, want %d", key, info.Key, info.Bytes, len(want))
	}
	got := make([]byte, len(want))
	if err := b.GetRange(t.Context(), key, 0, got); err != nil {
		t.Fatalf("get: %v", err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%s: the bytes differ from what was put", key)
	}
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: got %v, want %v", what, err, want)
	}
}

func roundTrip(t *testing.T, b objectstorage.Bucket) {
	if b.String() == "" {
		t.Error("String is empty")
	}
	for _, key := range []string{"a", "dir/b", "dir/sub/c.d", "dir/sp ace+plus%25&amp;", "dir/ümläut-日本", "dir/a=b,c~d'e(f)!*@:;"} {
		body := Body(1, 3000)
		put(t, b, key, body)
		wantBytes(t, b, key, body)
	}
	info, err := b.Head(t.Context(), "a")
	if err != nil || info.Modified.IsZero() {
		t.Errorf("head: %+v, %v; want a time", info, err)
	}
}

func (s Suite) emptyObject(t *testing.T, b objectstorage.Bucket) {
	for i, body := range [][][]byte{nil, {}, {{}, nil}} {
		key := fmt.Sprintf("empty/%d", i)
		put(t, b, key, body)
		s.wantRefused(t, b, key, nil)
		wantBytes(t, b, key, body)
		wantError(t, "read of an empty object", b.GetRange(t.Context(), key, 0, make([]byte, 1)), objectstorage.ErrShortRead)
	}
}

func largeBody(t *testing.T, b objectstorage.Bucket) {
	const size = 20 << 20
	all := make([]byte, size)
	rng := rand.New(rand.NewPCG(7, 7))
	for i := 0; i < size; i += 8 {
		binary.LittleEndian.PutUint64(all[i:], rng.Uint64())
	}
	var body [][]byte // about 5,000 slices: more than one vectored write takes
	for rest := all; len(rest) > 0; {
		cut := min(len(rest), 1+rng.IntN(8192))
		body = append(body, rest[:cut])
		rest = rest[cut:]
	}
	put(t, b, "large", body)
	wantBytes(t, b, "large", body)
	if joined := bytes.Join(body, nil); !bytes.Equal(joined, all) {
		t.Fatal("the body was written to")
	}
}

func (s Suite) wantRefused(t *testing.T, b objectstorage.Bucket, key string, same [][]byte) {
	t.Helper()
	if err := b.PutIfAbsent(t.Context(), key, same); err != nil || !s.SameBytesMayWin {
		wantError(t, "put of the same bytes", err, objectstorage.ErrExists)
	}
}

func (s Suite) refusesTakenKey(t *testing.T, b objectstorage.Bucket) {
	body := Body(2, 500)
	put(t, b, "k/1", body)
	wantError(t, "other bytes", b.PutIfAbsent(t.Context(), "k/1", Body(3, 900)), objectstorage.ErrExists)
	s.wantRefused(t, b, "k/1", body)
	wantBytes(t, b, "k/1", body)
}

func oneWinner(t *testing.T, b objectstorage.Bucket) {
	const writers = 32
	var won, refused atomic.Int32
	var winner atomic.Uint64
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range uint64(writers) {
		wg.Go(func() {
			<-start
			// A store may answer a lost race with "conflict, ask again" instead of a definite refusal.
			for try := 0; ; try++ {
				err := b.PutIfAbsent(t.Context(), "contested/key", Body(i, 4096))
				switch {
				case err == nil:
					won.Add(1)
					winner.Store(i)
				case errors.Is(err, objectstorage.ErrExists):
					refused.Add(1)
				case try < 50:
					continue
				default:
					t.Errorf("writer %d: %v", i, err)
				}
				return
			}
		})
	}
	close(start)
	wg.Wait()
	if won.Load() != 1 || refused.Load() != writers-1 {
		t.Fatalf("%d won, %d were refused; want 1 and %d", won.Load(), refused.Load(), writers-1)
	}
	wantBytes(t, b, "contested/key", Body(winner.Load(), 4096))
}

func ranges(t *testing.T, b objectstorage.Bucket) {
	body := Body(4, 10_000)
	want := bytes.Join(body, nil)
	put(t, b, "ranged", body)
	for _, r := range []struct{ offset, n int }{{0, 1}, {0, 10_000}, {9_999, 1}, {1234, 4321}, {5000, 5000}} {
		dst := bytes.Repeat([]byte{0xAA}, r.n)
		if err := b.GetRange(t.Context(), "ranged", int64(r.offset), dst); err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		if !bytes.Equal(dst, want[r.offset:r.offset+r.n]) {
			t.Fatalf("%+v: wrong bytes", r)
		}
	}
	for _, r := range []struct{ offset, n int }{{9_999, 2}, {0, 10_001}, {10_000, 1}, {20_000, 10}, {10_001, 0}} {
		wantError(t, fmt.Sprintf("%+v", r), b.GetRange(t.Context(), "ranged", int64(r.offset), make([]byte, r.n)), objectstorage.ErrShortRead)
	}
	for _, offset := range []int64{0, 5, 10_000} {
		if err := b.GetRange(t.Context(), "ranged", offset, nil); err != nil {
			t.Fatalf("nothing at %d: %v", offset, err)
		}
	}
	if err := b.GetRange(t.Context(), "ranged", -1, make([]byte, 1)); err == nil {
		t.Fatal("a negative offset was accepted")
	}
}

func missing(t *testing.T, b objectstorage.Bucket) {
	put(t, b, "dir/there", Body(1, 10))
	for _, key := range []string{"not-there", "dir", "dir/not-there", "dir/there/below", "no/such/dir"} {
		wantError(t, "get "+key, b.GetRange(t.Context(), key, 0, make([]byte, 1)), objectstorage.ErrNotFound)
		wantError(t, "get nothing of "+key, b.GetRange(t.Context(), key, 0, nil), objectstorage.ErrNotFound)
		_, err := b.Head(t.Context(), key)
		wantError(t, "head "+key, err, objectstorage.ErrNotFound)
		if err := b.DeleteMany(t.Context(), []string{key})[0]; err != nil {
			t.Fatalf("delete %s: %v; a missing key counts as removed", key, err)
		}
	}
	wantBytes(t, b, "dir/there", Body(1, 10))
}

func refusedKeys(t *testing.T, b objectstorage.Bucket) {
	for _, key := range []string{"", "/", "/abs", "a/", "a//b", ".", "..", "a/../b", "../out", "a/.", ".inkwell/x", "a\x00b", "a\nb", "\xff", string(bytes.Repeat([]byte("x"), 1025))} {
		wantError(t, fmt.Sprintf("put %q", key), b.PutIfAbsent(t.Context(), key, nil), objectstorage.ErrInvalidKey)
		wantError(t, fmt.Sprintf("get %q", key), b.GetRange(t.Context(), key, 0, make([]byte, 1)), objectstorage.ErrInvalidKey)
		_, err := b.Head(t.Context(), key)
		wantError(t, fmt.Sprintf("head %q", key), err, objectstorage.ErrInvalidKey)
		errs := b.DeleteMany(t.Context(), []string{"fine", key})
		if errs[0] != nil {
			t.Fatalf("delete of a good key beside %q: %v", key, errs[0])
		}
		wantError(t, fmt.Sprintf("delete %q", key), errs[1], objectstorage.ErrInvalidKey)
	}
}

// listAll reads the list in pages and checks what each page must hold to.
func listAll(t *testing.T, b objectstorage.Bucket, prefix, startAfter string, page int) []string {
	t.Helper()
	var keys []string
	for {
		infos, err := b.List(t.Context(), prefix, startAfter, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, info := range infos {
			keys = append(keys, info.Key)
			startAfter = info.Key
		}
		if len(infos) > page {
			t.Fatalf("a page of %d has %d", page, len(infos))
		}
		if len(infos) < page {
			return keys
		}
	}
}

var unordered = []string{
	"b", "a.x/1", "a/2", "a/10", "a-x/1", "a0/1", "a/1", "a/1.x", "a/b/c/d", "a/b.c", "a/b-c", "a/b0", "A", "z/z", "a.b",
	"a/日本", "a/ü",
}

func listOrder(t *testing.T, b objectstorage.Bucket) {
	for i, key := range unordered {
		put(t, b, key, Body(1, i))
	}
	want := slices.Sorted(slices.Values(unordered))
	for _, page := range []int{1, 2, 3, 1000} {
		if got := listAll(t, b, "", "", page); !slices.Equal(got, want) {
			t.Fatalf("pages of %d:\n got %q\nwant %q", page, got, want)
		}
	}
	for _, after := range append([]string{"", "a", "a/", "a/b/c", "a/b/c/e", "zz", "a/1x"}, want...) {
		at, found := slices.BinarySearch(want, after)
		if found {
			at++
		}
		if got := listAll(t, b, "", after, 4); !slices.Equal(got, want[at:]) {
			t.Fatalf("after %q:\n got %q\nwant %q", after, got, want[at:])
		}
	}
	infos, err := b.List(t.Context(), "", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		if want := int64(slices.Index(unordered, info.Key)); info.Bytes != want || info.Modified.IsZero() {
			t.Errorf("list: %+v, want %d bytes and a time", info, want)
		}
	}
	if infos, err := b.List(t.Context(), "", "", 0); err != nil || len(infos) != 0 {
		t.Errorf("at most 0: %v, %v", infos, err)
	}
}

func listPrefix(t *testing.T, b objectstorage.Bucket) {
	for _, key := range unordered {
		put(t, b, key, nil)
	}
	sorted := slices.Sorted(slices.Values(unordered))
	for _, prefix := range []string{"a", "a/", "a/b", "a/b/", "a/b/c", "a/1", "a.", "z/z", "z/zz", "nothing/", "B", "a/\u65e5"} {
		for _, after := range []string{"", "a/1", "a/b", "zzz", "A"} {
			var want []string
			for _, key := range sorted {
				if key > after && len(key) >= len(prefix) && key[:len(prefix)] == prefix {
					want = append(want, key)
				}
			}
			if got := listAll(t, b, prefix, after, 3); !slices.Equal(got, want) {
				t.Fatalf("prefix %q after %q:\n got %q\nwant %q", prefix, after, got, want)
			}
		}
	}
}

func pagesAndDeleteMany(t *testing.T, b objectstorage.Bucket) {
	const n = 1100 // more than a page of an S3 list and than one S3 delete takes
	want := make([]string, n)
	next := make(chan string)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for key := range next {
				if err := b.PutIfAbsent(t.Context(), key, Body(5, 3)); err != nil {
					t.Errorf("put %s: %v", key, err)
				}
			}
		})
	}
	for i := range want {
		want[i] = fmt.Sprintf("many/%02d/%04d", i%7, i)
		next <- want[i]
	}
	close(next)
	wg.Wait()
	put(t, b, "stays", nil)
	keys := slices.Clone(want)
	slices.Sort(want)
	for _, page := range []int{300, 1050, 2000} {
		if got := listAll(t, b, "many/", "", page); !slices.Equal(got, want) {
			t.Fatalf("pages of %d: %d keys, want %d in order", page, len(got), n)
		}
	}
	errs := b.DeleteMany(t.Context(), append(keys, "many/never-was"))
	if len(errs) != n+1 {
		t.Fatalf("%d results for %d keys", len(errs), n+1)
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if got := listAll(t, b, "", "", 500); !slices.Equal(got, []string{"stays"}) {
		t.Fatalf("%d keys are left, want 1", len(got))
	}
	if errs := b.DeleteMany(t.Context(), nil); len(errs) != 0 {
		t.Fatalf("delete of nothing: %v", errs)
	}
}

func deletedKeyIsFree(t *testing.T, b objectstorage.Bucket) {
	for seed := range uint64(3) {
		body := Body(seed, 2000)
		put(t, b, "again/and/again", body)
		wantBytes(t, b, "again/and/again", body)
		if err := errors.Join(b.DeleteMany(t.Context(), []string{"again/and/again"})...); err != nil {
			t.Fatal(err)
		}
		wantError(t, "get", b.GetRange(t.Context(), "again/and/again", 0, make([]byte, 10)), objectstorage.ErrNotFound)
	}
}

// parallel puts, reads and deletes in one folder at a time when others empty it.
func parallel(t *testing.T, b objectstorage.Bucket) {
	var wg sync.WaitGroup
	for worker := range uint64(8) {
		wg.Go(func() {
			for round := range 6 {
				key := fmt.Sprintf("busy/%d/%d", round%2, worker)
				body := Body(worker*100+uint64(round), 1000)
				if err := b.PutIfAbsent(t.Context(), key, body); err != nil {
					t.Errorf("put: %v", err)
					return
				}
				got := make([]byte, 1000)
				if err := b.GetRange(t.Context(), key, 0, got); err != nil || !bytes.Equal(got, bytes.Join(body, nil)) {
					t.Errorf("get: %v, or wrong bytes", err)
				}
				if _, err := b.List(t.Context(), "busy/", "", 10); err != nil {
					t.Errorf("list: %v", err)
				}
				if err := errors.Join(b.DeleteMany(t.Context(), []string{key})...); err != nil {
					t.Errorf("delete: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

func endedContext(t *testing.T, b objectstorage.Bucket) {
	put(t, b, "there", Body(1, 10))
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	for _, ctx := range []context.Context{canceled, expired} {
		wantError(t, "put", b.PutIfAbsent(ctx, "new", nil), ctx.Err())
		wantError(t, "get", b.GetRange(ctx, "there", 0, make([]byte, 1)), ctx.Err())
		_, err := b.Head(ctx, "there")
		wantError(t, "head", err, ctx.Err())
		_, err = b.List(ctx, "", "", 10)
		wantError(t, "list", err, ctx.Err())
		for _, err := range b.DeleteMany(ctx, []string{"there", "other"}) {
			wantError(t, "delete", err, ctx.Err())
		}
	}
	wantBytes(t, b, "there", Body(1, 10))
}

func closed(t *testing.T, b objectstorage.Bucket) {
	put(t, b, "there", Body(1, 10))
	for range 2 {
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	wantError(t, "put", b.PutIfAbsent(ctx, "new", nil), objectstorage.ErrClosed)
	wantError(t, "get", b.GetRange(ctx, "there", 0, make([]byte, 1)), objectstorage.ErrClosed)
	_, err := b.Head(ctx, "there")
	wantError(t, "head", err, objectstorage.ErrClosed)
	_, err = b.List(ctx, "", "", 10)
	wantError(t, "list", err, objectstorage.ErrClosed)
	for _, err := range b.DeleteMany(ctx, []string{"there", "other"}) {
		wantError(t, "delete", err, objectstorage.ErrClosed)
	}
}
