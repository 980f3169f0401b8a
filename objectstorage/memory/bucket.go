// Package memory is a bucket that lives as long as the process: for tests, simulations and trying things out.
//
// # Contract
//   - Order: List is in byte order of the keys.
//   - Bytes: bodies are copied in, ranges are copied out.
//   - Concurrency: safe for many callers; one lock, held for copies only.
//   - Failure: none of its own; everything is lost with the process.
package memory

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/internal/gate"
)

// Bucket is a bucket in memory.
type Bucket struct {
	clock clock.Clock
	gate  gate.Gate

	mu      sync.RWMutex // guards what follows
	objects map[string]object
	keys    []string  // of objects, sorted
	uploads []*upload // in the order of their numbers
	started int64     // uploads ever
}

type object struct {
	bytes    []byte
	modified time.Time
}

// New is an empty bucket.
func New() *Bucket { return NewWithClock(clock.System) }

// NewWithClock takes the times in Info from c.
func NewWithClock(c clock.Clock) *Bucket {
	return &Bucket{clock: c, objects: map[string]object{}}
}

// PutIfAbsent implements objectstorage.Bucket.
func (b *Bucket) PutIfAbsent(ctx context.Context, key string, body [][]byte) error {
	if err := b.gate.Enter(ctx); err != nil {
		return err
	}
	defer b.gate.Leave()
	if err := objectstorage.CheckKey(key); err != nil {
		return err
	}
	o := object{bytes: bytes.Join(body, nil), modified: b.clock.Now()}
	b.mu.Lock()
	defer b.mu.Unlock()
	at, found := slices.BinarySearch(b.keys, key)
	if found {
		return fmt.Errorf("put %s: %w", key, objectstorage.ErrExists)
	}
	b.keys = slices.Insert(b.keys, at, key)
	b.objects[key] = o
	return nil
}

// GetRange implements objectstorage.Bucket.
func (b *Bucket) GetRange(ctx context.Context, key string, offset int64, dst []byte) error {
	o, err := b.object(ctx, key)
	if err != nil {
		return fmt.Errorf("get %s: %w", key, err)
	}
	if offset < 0 {
		return fmt.Errorf("get %s: offset %d is negative", key, offset)
	}
	if size := int64(len(o.bytes)); offset > size || size-offset < int64(len(dst)) {
		return fmt.Errorf("get %s: %d bytes at %d of %d: %w", key, len(dst), offset, size, objectstorage.ErrShortRead)
	}
	copy(dst, o.bytes[offset:])
	return nil
}

// Head implements objectstorage.Bucket.
func (b *Bucket) Head(ctx context.Context, key string) (objectstorage.Info, error) {
	o, err := b.object(ctx, key)
	if err != nil {
		return objectstorage.Info{}, fmt.Errorf("head %s: %w", key, err)
	}
	return o.info(key), nil
}

// List implements objectstorage.Bucket.
func (b *Bucket) List(ctx context.Context, prefix, startAfter string, max int) ([]objectstorage.Info, error) {
	if err := b.gate.Enter(ctx); err != nil {
		return nil, err
	}
	defer b.gate.Leave()
	b.mu.RLock()
	defer b.mu.RUnlock()
	at, found := slices.BinarySearch(b.keys, startAfter)
	if found {
		at++
	}
	if from, _ := slices.BinarySearch(b.keys, prefix); from > at {
		at = from
	}
	var infos []objectstorage.Info
	for _, key := range b.keys[at:] {
		if len(infos) >= max || !strings.HasPrefix(key, prefix) {
			break
		}
		infos = append(infos, b.objects[key].info(key))
	}
	return infos, nil
}

// DeleteMany implements objectstorage.Bucket.
func (b *Bucket) DeleteMany(ctx context.Context, keys []string) []error {
	if err := b.gate.Enter(ctx); err != nil {
		return gate.Errors(len(keys), err)
	}
	defer b.gate.Leave()
	errs := make([]error, len(keys))
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, key := range keys {
		if errs[i] = objectstorage.CheckKey(key); errs[i] != nil {
			continue
		}
		if at, found := slices.BinarySearch(b.keys, key); found {
			b.keys = slices.Delete(b.keys, at, at+1)
			delete(b.objects, key)
		}
	}
	return errs
}

// String implements objectstorage.Bucket.
func (b *Bucket) String() string { return "memory:" }

// Close implements objectstorage.Bucket.
func (b *Bucket) Close() error {
	b.gate.Close()
	return nil
}

func (b *Bucket) object(ctx context.Context, key string) (object, error) {
	if err := b.gate.Enter(ctx); err != nil {
		return object{}, err
	}
	defer b.gate.Leave()
	if err := objectstorage.CheckKey(key); err != nil {
		return object{}, err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	o, ok := b.objects[key]
	if !ok {
		return object{}, objectstorage.ErrNotFound
	}
	return o, nil
}

func (o object) info(key string) objectstorage.Info {
	return objectstorage.Info{Key: key, Bytes: int64(len(o.bytes)), Modified: o.modified}
}
