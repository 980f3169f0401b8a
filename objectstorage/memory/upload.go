package memory

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/inkwell-project/inkwell/objectstorage"
)

// upload is a set of parts that is an object once it is complete.
type upload struct {
	b         *Bucket
	key       string
	partBytes int
	number    int64
	started   time.Time
	parts     map[int][]byte // guarded by Bucket.mu
}

// StartUpload implements objectstorage.Bucket.
func (b *Bucket) StartUpload(ctx context.Context, key string, partBytes int) (objectstorage.Upload, error) {
	if err := b.gate.Enter(ctx); err != nil {
		return nil, err
	}
	defer b.gate.Leave()
	if err := objectstorage.CheckUpload(key, partBytes); err != nil {
		return nil, err
	}
	u := &upload{b: b, key: key, partBytes: partBytes, parts: map[int][]byte{}}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.started++
	u.number, u.started = b.started, b.clock.Now()
	b.uploads = append(b.uploads, u)
	return u, nil
}

// AbortUploads implements objectstorage.Bucket.
func (b *Bucket) AbortUploads(ctx context.Context, prefix string) (int, error) {
	if err := b.gate.Enter(ctx); err != nil {
		return 0, err
	}
	defer b.gate.Leave()
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.uploads)
	b.uploads = slices.DeleteFunc(b.uploads, func(u *upload) bool { return strings.HasPrefix(u.key, prefix) })
	return n - len(b.uploads), nil
}

// ListUploads implements objectstorage.Bucket.
func (b *Bucket) ListUploads(ctx context.Context, prefix string, max int) (list []objectstorage.UnfinishedUpload, more bool, err error) {
	if err := b.gate.Enter(ctx); err != nil {
		return nil, false, err
	}
	defer b.gate.Leave()
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, u := range b.uploads {
		if !strings.HasPrefix(u.key, prefix) {
			continue
		}
		if len(list) == max {
			return list, true, nil
		}
		list = append(list, u.unfinished())
	}
	return list, false, nil
}

func (u *upload) unfinished() objectstorage.UnfinishedUpload {
	return objectstorage.UnfinishedUpload{Key: u.key, ID: fmt.Sprintf("%016x", u.number), Started: u.started}
}

// AbortUpload implements objectstorage.Bucket.
func (b *Bucket) AbortUpload(ctx context.Context, aborted objectstorage.UnfinishedUpload) error {
	if err := b.gate.Enter(ctx); err != nil {
		return err
	}
	defer b.gate.Leave()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.uploads = slices.DeleteFunc(b.uploads, func(u *upload) bool { return u.unfinished().ID == aborted.ID && u.key == aborted.Key })
	return nil
}

// PutPart implements objectstorage.Upload.
func (u *upload) PutPart(ctx context.Context, number int, body [][]byte) error {
	if err := u.b.gate.Enter(ctx); err != nil {
		return err
	}
	defer u.b.gate.Leave()
	if err := objectstorage.CheckPart(number, objectstorage.BodyBytes(body), u.partBytes); err != nil {
		return fmt.Errorf("put %s: %w", u.key, err)
	}
	part := bytes.Join(body, nil)
	u.b.mu.Lock()
	defer u.b.mu.Unlock()
	if !slices.Contains(u.b.uploads, u) {
		return fmt.Errorf("put %s: %w", u.key, objectstorage.ErrUpload)
	}
	u.parts[number] = part
	return nil
}

// Complete implements objectstorage.Upload.
func (u *upload) Complete(ctx context.Context, parts int) error {
	if err := u.b.gate.Enter(ctx); err != nil {
		return err
	}
	defer u.b.gate.Leave()
	b := u.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Contains(b.uploads, u) {
		return fmt.Errorf("put %s: %w", u.key, objectstorage.ErrUpload)
	}
	var body [][]byte
	for n := range parts {
		if part := u.parts[n]; len(part) == u.partBytes || n == parts-1 && len(part) > 0 {
			body = append(body, part)
		}
	}
	if len(body) != parts || parts == 0 {
		return fmt.Errorf("put %s: %d of %d parts: %w", u.key, len(body), parts, objectstorage.ErrUpload)
	}
	at, found := slices.BinarySearch(b.keys, u.key)
	if found {
		return fmt.Errorf("put %s: %w", u.key, objectstorage.ErrExists)
	}
	b.keys = slices.Insert(b.keys, at, u.key)
	b.objects[u.key] = object{bytes: bytes.Join(body, nil), modified: b.clock.Now()}
	u.drop()
	return nil
}

// Abort implements objectstorage.Upload.
func (u *upload) Abort(ctx context.Context) error {
	if err := u.b.gate.Enter(ctx); err != nil {
		return err
	}
	defer u.b.gate.Leave()
	u.b.mu.Lock()
	defer u.b.mu.Unlock()
	u.drop()
	return nil
}

// drop forgets the upload; the lock is held.
func (u *upload) drop() {
	u.b.uploads = slices.DeleteFunc(u.b.uploads, func(other *upload) bool { return other == u })
}
