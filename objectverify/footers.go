package objectverify

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/objectformat"
	"github.com/inkwell-project/inkwell/objectstorage"
)

// maxCachedSegments bounds the cache of footers; an entry has about 100 bytes.
const maxCachedSegments = 200_000

// tailBytes is what is read of an object's end at first; most footers fit.
const tailBytes = 32 << 10

// object is what is known of a stored object.
type object struct {
	id     kafka.ObjectID
	bytes  int64
	footer *objectformat.Footer
}

// footers reads headers and footers, and keeps the latest ones.
type footers struct {
	bucket  objectstorage.Bucket
	cluster kafka.ClusterID

	mu       sync.Mutex // guards what follows
	known    map[kafka.ObjectID]*list.Element
	order    *list.List // of *object, the latest used in front
	segments int
}

func newFooters(b objectstorage.Bucket, cluster kafka.ClusterID) *footers {
	return &footers{bucket: b, cluster: cluster, known: map[kafka.ObjectID]*list.Element{}, order: list.New()}
}

// get is the object's footer. Its errors are *fault for an object that is wrong, others for a store that does not answer.
func (f *footers) get(ctx context.Context, id kafka.ObjectID) (*object, error) {
	f.mu.Lock()
	if e, ok := f.known[id]; ok {
		f.order.MoveToFront(e)
		f.mu.Unlock()
		return e.Value.(*object), nil
	}
	f.mu.Unlock()
	o, err := readObject(ctx, f.bucket, f.cluster, id)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.known[id]; !ok {
		f.known[id] = f.order.PushFront(o)
		f.segments += len(o.footer.Segments)
		for f.segments > maxCachedSegments && f.order.Len() > 1 {
			f.drop(f.order.Back())
		}
	}
	return o, nil
}

func (f *footers) drop(e *list.Element) {
	o := f.order.Remove(e).(*object)
	delete(f.known, o.id)
	f.segments -= len(o.footer.Segments)
}

// forget makes the next get read again.
func (f *footers) forget(id kafka.ObjectID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e, ok := f.known[id]; ok {
		f.drop(e)
	}
}

// readObject reads header and footer of an object that should be there.
func readObject(ctx context.Context, b objectstorage.Bucket, cluster kafka.ClusterID, id kafka.ObjectID) (*object, error) {
	key := id.Key(cluster)
	info, err := b.Head(ctx, key)
	if err != nil {
		return nil, storeError(key, err)
	}
	footer, err := readFooter(ctx, b, key, info.Bytes)
	if err != nil {
		return nil, err
	}
	if footer.Cluster != cluster || footer.Object != id {
		return nil, &fault{Mismatch, fmt.Sprintf("it says that it is object %s of cluster %q", footer.Object, footer.Cluster)}
	}
	return &object{id: id, bytes: info.Bytes, footer: footer}, nil
}

// readFooter reads and checks header and footer of an object of so many bytes.
func readFooter(ctx context.Context, b objectstorage.Bucket, key string, size int64) (*objectformat.Footer, error) {
	if size < objectformat.HeaderBytes+objectformat.TrailerBytes {
		return nil, &fault{Damaged, fmt.Sprintf("it has %d bytes, too few for an object", size)}
	}
	header := make([]byte, objectformat.HeaderBytes)
	if err := b.GetRange(ctx, key, 0, header); err != nil {
		return nil, storeError(key, err)
	}
	headerErr := objectformat.CheckHeader(header)
	if headerErr != nil && !errors.Is(headerErr, objectformat.ErrNewerVersion) {
		return nil, formatError("at its beginning", headerErr)
	}
	tail := make([]byte, min(size, tailBytes))
	for {
		if err := b.GetRange(ctx, key, size-int64(len(tail)), tail); err != nil {
			return nil, storeError(key, err)
		}
		footer, err := objectformat.ParseTail(tail, size)
		if errors.Is(err, objectformat.ErrShortTail) {
			n, tailErr := objectformat.TailBytes(tail)
			if tailErr == nil && n > len(tail) {
				tail = make([]byte, n)
				continue
			}
		}
		switch newer := errors.Is(err, objectformat.ErrNewerVersion); {
		case err != nil && (!newer || headerErr != nil):
			return nil, formatError("at its end", err)
		case newer, headerErr != nil, int(header[4])<<8|int(header[5]) != footer.Version:
			return nil, &fault{Damaged, "its beginning and its end are of different formats"}
		}
		return footer, nil
	}
}

// fault is what is wrong with an object, in difference to a store that does not answer.
type fault struct {
	kind Kind
	text string
}

func (f *fault) Error() string { return string(f.kind) + ": " + f.text }

// storeError makes a fault of what a store says about an object.
func storeError(key string, err error) error {
	switch {
	case errors.Is(err, objectstorage.ErrNotFound):
		return &fault{Missing, "it is not in the bucket"}
	case errors.Is(err, objectstorage.ErrShortRead):
		return &fault{Damaged, fmt.Sprintf("it ends early: %v", err)}
	}
	return fmt.Errorf("reading %s: %w", key, err)
}

// formatError makes a fault of damage; a newer format is none, but cannot be looked at.
func formatError(where string, err error) error {
	if errors.Is(err, objectformat.ErrNewerVersion) {
		return err
	}
	return &fault{Damaged, fmt.Sprintf("%s: %v", where, err)}
}
