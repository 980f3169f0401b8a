package objectstoragetest

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/inkwell-project/inkwell/objectstorage"
)

const partBytes = objectstorage.MinPartBytes

func startUpload(t *testing.T, b objectstorage.Bucket, key string) objectstorage.Upload {
	t.Helper()
	u, err := b.StartUpload(t.Context(), key, partBytes)
	if err != nil {
		t.Fatalf("start of an upload: %v", err)
	}
	return u
}

func putPart(t *testing.T, u objectstorage.Upload, number int, body [][]byte) {
	t.Helper()
	if err := u.PutPart(t.Context(), number, body); err != nil {
		t.Fatalf("part %d: %v", number, err)
	}
}

// flat is n bytes, cheap to make.
func flat(seed byte, n int) [][]byte {
	b := bytes.Repeat([]byte{seed, 1, 2, 3, 4, 5, seed, 7}, n/8+1)[:n]
	return [][]byte{b[:n/3], nil, b[n/3:]}
}

func uploadInParts(t *testing.T, b objectstorage.Bucket) {
	for _, last := range []int{1, partBytes} {
		key := fmt.Sprintf("uploads/parts-%d", last)
		u := startUpload(t, b, key)
		parts := [][][]byte{flat(10, partBytes), flat(20, partBytes), flat(30, last)}
		for _, n := range []int{2, 0} { // in any order
			putPart(t, u, n, parts[n])
		}
		wantError(t, "completing without a part", u.Complete(t.Context(), 3), objectstorage.ErrUpload)
		putPart(t, u, 1, parts[1])
		putPart(t, u, 0, parts[0]) // again
		_, err := b.Head(t.Context(), key)
		wantError(t, "before it is complete", err, objectstorage.ErrNotFound)
		if err := u.Complete(t.Context(), 3); err != nil {
			t.Fatal(err)
		}
		wantBytes(t, b, key, append(append(parts[0], parts[1]...), parts[2]...))
		if err := u.Abort(t.Context()); err != nil {
			t.Fatalf("abort of what is complete: %v", err)
		}
		if _, err := b.Head(t.Context(), key); err != nil {
			t.Fatalf("after the abort: %v", err)
		}
	}
	u := startUpload(t, b, "uploads/one")
	for _, part := range []struct {
		number int
		body   [][]byte
	}{{-1, flat(1, 5)}, {objectstorage.MaxUploadParts, flat(1, 5)}, {0, nil}, {0, flat(1, partBytes+1)}} {
		wantError(t, fmt.Sprintf("part %d of %d bytes", part.number, objectstorage.BodyBytes(part.body)), u.PutPart(t.Context(), part.number, part.body), objectstorage.ErrInvalidPart)
	}
	putPart(t, u, 0, flat(9, 7))
	if err := u.Complete(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	wantBytes(t, b, "uploads/one", flat(9, 7))
	if _, err := b.StartUpload(t.Context(), "a//b", partBytes); !errors.Is(err, objectstorage.ErrInvalidKey) {
		t.Fatal(err)
	}
}

func (s Suite) uploadToTakenKey(t *testing.T, b objectstorage.Bucket) {
	body := flat(1, 3000)
	put(t, b, "uploads/taken", body)
	u := startUpload(t, b, "uploads/taken")
	putPart(t, u, 0, flat(2, 3000))
	wantError(t, "completing", u.Complete(t.Context(), 1), objectstorage.ErrExists)
	wantBytes(t, b, "uploads/taken", body)
	if err := u.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantBytes(t, b, "uploads/taken", body)
}

func uploadAborted(t *testing.T, b objectstorage.Bucket) {
	u := startUpload(t, b, "uploads/aborted")
	putPart(t, u, 0, flat(2, 3000))
	for range 2 {
		if err := u.Abort(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, "completing what was aborted", u.Complete(t.Context(), 1), objectstorage.ErrUpload)
	_, err := b.Head(t.Context(), "uploads/aborted")
	wantError(t, "what was aborted", err, objectstorage.ErrNotFound)
	put(t, b, "uploads/aborted", flat(3, 10))
}

// uploadsListed: what is unfinished is listed, with its key where the store knows it, and can be aborted one by one. A store may have forgotten it by itself.
func uploadsListed(t *testing.T, b objectstorage.Bucket) {
	list := func(max int) []objectstorage.UnfinishedUpload {
		all, more, err := b.ListUploads(t.Context(), "listed/", max)
		if err != nil || len(all) > max || more && len(all) < max {
			t.Fatalf("%d uploads of %d at most, more: %t, %v", len(all), max, more, err)
		}
		return all
	}
	for _, u := range list(1000) { // of other tests, where keys are not known
		if err := b.AbortUpload(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	put(t, b, "listed/object", flat(1, 10))
	startUpload(t, b, "elsewhere/upload")
	var begun []objectstorage.Upload
	for _, key := range []string{"listed/a", "listed/b", "listed/b", "listed/c"} {
		u := startUpload(t, b, key)
		putPart(t, u, 0, flat(2, 3000))
		begun = append(begun, u)
	}
	all := list(1000)
	if len(all) == 0 {
		t.Log("this store forgets uploads, or does not list them")
		return
	}
	knows := all[0].Key != ""
	keys := map[string]int{}
	for _, u := range all {
		keys[u.Key]++
		if age := time.Since(u.Started); age < -time.Minute || age > time.Hour {
			t.Errorf("%+v is %s old", u, age)
		}
	}
	if knows && (keys["listed/a"] != 1 || keys["listed/b"] != 2 || keys["listed/c"] != 1 || len(all) != 4) || !knows && len(all) != 5 {
		t.Fatalf("listed %v", keys)
	}
	if some, more, err := b.ListUploads(t.Context(), "listed/", 2); err != nil || len(some) != 2 || !more {
		t.Errorf("%d of two at most, more: %t, %v", len(some), more, err)
	}
	if some, more, err := b.ListUploads(t.Context(), "listed/", len(all)); err != nil || len(some) != len(all) || more {
		t.Errorf("%d of all, more: %t, %v", len(some), more, err)
	}
	if err := begun[3].Complete(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	left := list(1000)
	if len(left) != len(all)-1 {
		t.Errorf("%d are listed after one was completed, there were %d", len(left), len(all))
	}
	for range 2 { // what is gone is gone
		for _, u := range left {
			if err := b.AbortUpload(t.Context(), u); err != nil {
				t.Fatal(err)
			}
		}
	}
	if left := list(1000); len(left) != 0 {
		t.Errorf("%+v are left", left)
	}
	wantError(t, "completing what was aborted", begun[0].Complete(t.Context(), 1), objectstorage.ErrUpload)
	wantBytes(t, b, "listed/c", flat(2, 3000))
	wantBytes(t, b, "listed/object", flat(1, 10))
}

// uploadsForgotten: AbortUploads leaves nothing of the prefix, and touches no object and no other prefix. A store that removes forgotten uploads by itself may
// find none.
func uploadsForgotten(t *testing.T, b objectstorage.Bucket) {
	put(t, b, "forgotten/object", flat(1, 10))
	kept := startUpload(t, b, "kept/upload")
	putPart(t, kept, 0, flat(5, 50))
	for i := range 3 {
		putPart(t, startUpload(t, b, fmt.Sprintf("forgotten/%d", i)), 0, flat(2, 3000))
	}
	if _, err := b.AbortUploads(t.Context(), "forgotten/"); err != nil {
		t.Fatal(err)
	}
	if n, err := b.AbortUploads(t.Context(), "forgotten/"); err != nil || n != 0 {
		t.Fatalf("%d were left, %v", n, err)
	}
	if err := kept.Complete(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	wantBytes(t, b, "kept/upload", flat(5, 50))
	wantBytes(t, b, "forgotten/object", flat(1, 10))
}
