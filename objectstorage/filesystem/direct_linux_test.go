package filesystem

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/objectstoragetest"
)

// openDirect needs a disk that can be reached past the page cache.
func openDirect(t *testing.T) *Bucket {
	t.Helper()
	b := open(t, Config{})
	if err := b.PutIfAbsent(t.Context(), "probe", objectstoragetest.Body(1, directMinBytes)); err != nil {
		t.Fatal(err)
	}
	if b.direct.off.Load() {
		t.Skip("the temp folder has no disk that can be reached past the page cache")
	}
	return b
}

// Sizes and ranges around blocks, pieces and the end, against the bytes that were put.
func TestDirectRangesReadWhatWasPut(t *testing.T) {
	b := openDirect(t)
	var objects [][]byte
	for i, size := range []int{directMinSynced - 1, directMinSynced, directMinSynced + directBlock + 1, directMinBytes - 1, directMinBytes, directMinBytes + 1, stagingBytes + directBlock - 1, 2*stagingBytes + 5*directBlock, readChunk + stagingBytes + 4321} {
		body := objectstoragetest.Body(uint64(size), size)
		objects = append(objects, bytes.Join(body, nil))
		if err := b.PutIfAbsent(inTurn(t.Context(), i%2 == 0), fmt.Sprintf("a/%d", i), body); err != nil {
			t.Fatal(err)
		}
	}
	near := func(rt *rapid.T, name string, limit int) int {
		at := rapid.SampledFrom([]int{0, directBlock, directMinBytes, stagingBytes, readChunk, limit}).Draw(rt, name)
		return min(max(at+rapid.IntRange(-2*directBlock, 2*directBlock).Draw(rt, name+"+"), 0), limit)
	}
	all := aligned(make([]byte, readChunk+2*stagingBytes+directBlock))
	rapid.Check(t, func(rt *rapid.T) {
		i := rapid.IntRange(0, len(objects)-1).Draw(rt, "object")
		want := objects[i]
		offset := near(rt, "offset", len(want))
		length := near(rt, "length", len(want)-offset)
		dst := all[rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(rt, "address"):][:length+1]
		dst[length] = 0xA5
		ctx := inTurn(t.Context(), rapid.Bool().Draw(rt, "background"))
		if err := b.GetRange(ctx, fmt.Sprintf("a/%d", i), int64(offset), dst[:length:length]); err != nil {
			rt.Fatal(err)
		}
		if !bytes.Equal(dst[:length], want[offset:offset+length]) {
			rt.Fatalf("%d bytes at %d of %d differ", length, offset, len(want))
		}
		if dst[length] != 0xA5 {
			rt.Fatalf("%d bytes at %d: written over the end", length, offset)
		}
	})
	if b.direct.off.Load() {
		t.Error("the page cache was used again")
	}
}

func inTurn(ctx context.Context, background bool) context.Context {
	if background {
		return objectstorage.WithBackground(ctx)
	}
	return ctx
}

// Parts of an upload are written past the page cache, too, each at its place, and what does not fill a block through it.
func TestDirectParts(t *testing.T) {
	b := openDirect(t)
	const partBytes = stagingBytes + directBlock
	body := objectstoragetest.Body(1, 2*partBytes+directMinBytes+77)
	want := bytes.Join(body, nil)
	u, err := b.StartUpload(t.Context(), "a/parts", partBytes)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 0, 2} {
		part := want[n*partBytes : min(len(want), (n+1)*partBytes)]
		if err := u.PutPart(inTurn(t.Context(), n > 0), n, [][]byte{part[:1234], part[1234:]}); err != nil {
			t.Fatal(err)
		}
	}
	if err := u.Complete(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if err := b.GetRange(t.Context(), "a/parts", 0, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("other bytes came back, %v", err)
	}
	if b.direct.off.Load() {
		t.Error("the page cache was used")
	}
}

// Slices that lie in whole blocks are written from there, others by way of a copy, in any order; what comes back is the same.
func TestDirectWritesOfSlicesAtAnyAddress(t *testing.T) {
	b := openDirect(t)
	whole := aligned(make([]byte, 4*stagingBytes))
	copy(whole, bytes.Join(objectstoragetest.Body(7, len(whole)), nil))
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		var body [][]byte
		for range rapid.IntRange(1, 8).Draw(rt, "slices") {
			at := rapid.SampledFrom([]int{0, 0, directBlock, stagingBytes, 77}).Draw(rt, "at")
			size := rapid.SampledFrom([]int{0, 1, directBlock, directMinBytes, directMinBytes + 1, stagingBytes, 2*stagingBytes + directBlock}).Draw(rt, "size")
			body = append(body, whole[at:at+size])
		}
		want := bytes.Join(body, nil)
		key := fmt.Sprintf("slices/%d", n)
		n++
		if err := b.PutIfAbsent(inTurn(t.Context(), rapid.Bool().Draw(rt, "background")), key, body); err != nil {
			rt.Fatal(err)
		}
		got := make([]byte, len(want))
		if err := b.GetRange(t.Context(), key, 0, got); err != nil || !bytes.Equal(got, want) {
			rt.Fatalf("other bytes came back, %v", err)
		}
		b.DeleteMany(t.Context(), []string{key})
	})
	if b.direct.off.Load() {
		t.Error("the page cache was used")
	}
}

// Of what lies in whole blocks only a piece worth a write is written from there, and the cursor moves on over just that.
func TestInPlace(t *testing.T) {
	memory := aligned(make([]byte, 4*stagingBytes))
	for _, c := range []struct {
		name     string
		slice    []byte
		skip     int
		size, is int64
	}{
		{"whole blocks", memory[:stagingBytes], 0, stagingBytes, stagingBytes},
		{"more than is wanted", memory[:2*stagingBytes], 0, stagingBytes, stagingBytes},
		{"in the midst", memory[:2*stagingBytes], directBlock, stagingBytes, stagingBytes},
		{"ends amid a block", memory[:stagingBytes+1], 0, 2 * stagingBytes, stagingBytes},
		{"the last ones", memory[:directBlock], 0, directBlock, directBlock},
		{"too few", memory[:directBlock], 0, stagingBytes, 0},
		{"an odd address", memory[1 : 1+stagingBytes], 0, stagingBytes, 0},
		{"an odd skip", memory[:2*stagingBytes], 1, stagingBytes, 0},
		{"nothing", nil, 0, stagingBytes, 0},
	} {
		cursor := &bodyCursor{body: [][]byte{c.slice, memory}, skip: c.skip}
		got := inPlace(cursor, c.size)
		if int64(len(got)) != c.is {
			t.Errorf("%s: %d bytes, want %d", c.name, len(got), c.is)
		}
		if left := bodyBytes(cursor.body[cursor.at:]) - int64(cursor.skip); left != bodyBytes([][]byte{c.slice, memory})-int64(c.skip)-c.is {
			t.Errorf("%s: %d bytes are left", c.name, left)
		}
	}
}

// A disk that says yes and then refuses a direct write is written to through the page cache, from where it was.
func TestRefusedDirectWriteGoesOnBuffered(t *testing.T) {
	b := openDirect(t)
	body := objectstoragetest.Body(3, 3*stagingBytes+777)
	fd, err := b.temp.create("refused")
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := setDirect(fd, true); err != nil {
		t.Fatal(err)
	}
	w := directWriter{d: b.direct, fd: fd, direct: true}
	whole := bytes.Join(body, nil)
	for part := range slicesOf(whole[1:], stagingBytes) { // an odd address and an odd length at the end
		if err := w.write(t.Context(), part); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(filepath.Join(b.temp.path, "refused"))
	if err != nil || !bytes.Equal(got, whole[1:]) {
		t.Fatalf("%d bytes of %d, %v", len(got), len(whole)-1, err)
	}
	if !b.direct.off.Load() {
		t.Error("the refusal is forgotten")
	}
	if err := b.PutIfAbsent(t.Context(), "then", body); err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, len(whole))
	if err := b.GetRange(t.Context(), "then", 0, dst); err != nil || !bytes.Equal(dst, whole) {
		t.Fatalf("read back through the page cache: %v", err)
	}
}

func slicesOf(b []byte, n int) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for ; len(b) > 0; b = b[min(n, len(b)):] {
			if !yield(b[:min(n, len(b))]) {
				return
			}
		}
	}
}

// All staging buffers are in use: a put waits for one no longer than its ctx.
func TestPutWaitsForStaging(t *testing.T) {
	b := openDirect(t)
	var taken [][]byte
	for range stagingBuffers {
		taken = append(taken, <-b.direct.staging)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	late := errors.New("too late")
	cancel(late)
	if err := b.PutIfAbsent(ctx, "late", objectstoragetest.Body(1, directMinBytes)); !errors.Is(err, late) {
		t.Errorf("put without a buffer: %v", err)
	}
	for name, size := range map[string]int{"small": 1, "medium": directMinBytes - 1} { // need none
		if err := b.PutIfAbsent(t.Context(), name, objectstoragetest.Body(1, size)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, buf := range taken {
		b.direct.staging <- buf
	}
	if err := b.PutIfAbsent(t.Context(), "late", objectstoragetest.Body(1, directMinBytes)); err != nil {
		t.Error(err)
	}
}

// A buffer is mapped when it is used for the first time, which tells what went past the page cache.
func TestWhichPutsPassThePageCache(t *testing.T) {
	b := openDirect(t)
	used := func() (n int) {
		for range stagingBuffers {
			buf := <-b.direct.staging
			b.direct.staging <- buf
			if buf != nil {
				n++
			}
		}
		return n
	}
	for _, c := range []struct{ size, want int }{{directMinSynced - 1, 0}, {directMinSynced, 1}, {directMinBytes - 1, 1}, {directMinBytes, 1}} {
		before := used()
		if err := b.PutIfAbsent(t.Context(), fmt.Sprint(c.size), objectstoragetest.Body(1, c.size)); err != nil {
			t.Fatal(err)
		}
		if got := used() - before; got != c.want {
			t.Errorf("a put of %d bytes used %d more staging buffers, want %d", c.size, got, c.want)
		}
	}
}

// Another object got the name between the two opens of a reader.
func TestDirectReadOfAnotherFile(t *testing.T) {
	b := openDirect(t)
	old, fresh := objectstoragetest.Body(1, directMinBytes), objectstoragetest.Body(2, directMinBytes)
	if err := b.PutIfAbsent(t.Context(), "k", old); err != nil {
		t.Fatal(err)
	}
	r, err := openReader(b.path("k"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	if err := b.DeleteMany(t.Context(), []string{"k"})[0]; err != nil {
		t.Fatal(err)
	}
	if err := b.PutIfAbsent(t.Context(), "k", fresh); err != nil {
		t.Fatal(err)
	}
	if fd := r.directFD(); fd >= 0 {
		t.Error("the new object is read for the old one")
	}
}

func TestConformanceInMemory(t *testing.T) {
	objectstoragetest.Run(t, func(t *testing.T) objectstorage.Bucket {
		dir, err := os.MkdirTemp("/dev/shm", "inkwell-")
		if err != nil {
			t.Skipf("needs a folder in memory: %v", err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		b, err := Open(Config{Path: filepath.Join(dir, "store")})
		if err != nil {
			t.Fatal(err)
		}
		if !b.direct.off.Load() {
			t.Error("a disk in memory is to be written to once, not twice")
		}
		return b
	})
}
