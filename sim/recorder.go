package sim

import (
	"context"
	"strings"
	"sync"

	"github.com/inkwell-project/inkwell/objectstorage"
)

// recorder is a cluster's part of a bucket. It remembers what was deleted, and sees to it that a cluster's brokers touch its own objects only: clusters may share a bucket.
type recorder struct {
	objectstorage.Bucket
	w       *World
	cluster string

	mu      sync.Mutex // guards what follows
	count   int
	deleted map[string]int // by key: the number of the deletion
	sizes   map[string]int64
}

func newRecorder(w *World, cluster string, inner objectstorage.Bucket) *recorder {
	return &recorder{Bucket: inner, w: w, cluster: cluster, deleted: map[string]int{}, sizes: map[string]int64{}}
}

// deletions is how many there were.
func (r *recorder) deletions() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

// deletedBefore says whether a key's object was deleted when there had been that many deletions.
func (r *recorder) deletedBefore(key string, deletions int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.deleted[key]
	return ok && at <= deletions
}

func (r *recorder) size(key string) (bytes int64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	bytes, ok = r.sizes[key]
	return bytes, ok
}

// own checks that a key is the cluster's.
func (r *recorder) own(key string) {
	if !strings.HasPrefix(key, r.cluster+"/") && !strings.HasPrefix(key, "probe/") {
		r.w.violation("another's objects: a broker of %s touches %s", r.cluster, key)
	}
}

// PutIfAbsent implements objectstorage.Bucket.
func (r *recorder) PutIfAbsent(ctx context.Context, key string, body [][]byte) error {
	r.own(key)
	err := r.Bucket.PutIfAbsent(ctx, key, body)
	if err == nil {
		bytes := 0
		for _, b := range body {
			bytes += len(b)
		}
		r.stored(key, int64(bytes))
	}
	return err
}

func (r *recorder) stored(key string, bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sizes[key] = bytes
}

// GetRange implements objectstorage.Bucket.
func (r *recorder) GetRange(ctx context.Context, key string, offset int64, dst []byte) error {
	r.own(key)
	return r.Bucket.GetRange(ctx, key, offset, dst)
}

// StartUpload implements objectstorage.Bucket.
func (r *recorder) StartUpload(ctx context.Context, key string, partBytes int) (objectstorage.Upload, error) {
	r.own(key)
	return r.Bucket.StartUpload(ctx, key, partBytes)
}

// AbortUploads implements objectstorage.Bucket.
func (r *recorder) AbortUploads(ctx context.Context, prefix string) (int, error) {
	r.own(prefix)
	return r.Bucket.AbortUploads(ctx, prefix)
}

// List implements objectstorage.Bucket.
func (r *recorder) List(ctx context.Context, prefix, startAfter string, most int) ([]objectstorage.Info, error) {
	r.own(prefix)
	return r.Bucket.List(ctx, prefix, startAfter, most)
}

// DeleteMany implements objectstorage.Bucket.
func (r *recorder) DeleteMany(ctx context.Context, keys []string) []error {
	for _, key := range keys {
		r.own(key)
	}
	errs := r.Bucket.DeleteMany(ctx, keys)
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, key := range keys {
		if errs[i] == nil {
			if _, again := r.deleted[key]; !again {
				r.count++
				r.deleted[key] = r.count
			}
		}
	}
	return errs
}
