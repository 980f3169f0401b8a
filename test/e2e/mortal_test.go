package e2e

import (
	"context"
	"errors"
	"sync"

	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/rpc"
)

// fault is what one call of a process meets: it fails before it is done, or after it, so that the answer is lost. The process may die of it.
type fault struct {
	call  int    // since the process was armed; 0: none
	point string // or the first call of that name
	after bool
	dies  bool
}

// mortal is a process as the world outside knows it, up to its death.
type mortal struct {
	mu    sync.Mutex // guards what follows
	calls int        // since it was armed
	armed bool
	fault fault
	dead  bool
}

var errDead = errors.New("the process is dead, or one call failed")

// arm begins to count.
func (m *mortal) arm(f fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.armed, m.fault = true, f
}

// kill ends the process now.
func (m *mortal) kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = true
}

func (m *mortal) died() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dead
}

func (m *mortal) counted() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls
}

func (m *mortal) do(point string, call func() error) error {
	m.mu.Lock()
	if m.armed {
		m.calls++
	}
	hit := m.fault.call != 0 && m.calls == m.fault.call || m.armed && m.fault.point == point
	if hit {
		m.fault.point = "" // the first one only
	}
	fails := m.dead || hit && !m.fault.after
	m.dead = m.dead || hit && m.fault.dies && !m.fault.after
	m.mu.Unlock()
	if fails {
		return errDead
	}
	err := call()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = m.dead || hit && m.fault.dies
	if m.dead || hit {
		return errDead
	}
	return err
}

// purpose names a call by the job that makes it; flush is nobody.
func purpose(ctx context.Context, call string) string {
	if p := objectstorage.Purpose(ctx); p != "flush" {
		return p + " " + call
	}
	return call
}

// kindOf is what a completion is of.
func kindOf(req *rpc.CompleteWorkRequest) string {
	switch {
	case len(req.Deleted) > 0:
		return "delete"
	case len(req.Segments) == 0:
		return "sweep or nothing"
	case req.DeleteHorizonMillis > 0: // of the tombstones, which the story has
		return "compact"
	}
	return "merge"
}

// mortalBucket leaves the bucket open when the process is closed.
type mortalBucket struct {
	objectstorage.Bucket
	m *mortal
}

func (b mortalBucket) Close() error { return nil }

func (b mortalBucket) PutIfAbsent(ctx context.Context, key string, body [][]byte) error {
	return b.m.do(purpose(ctx, "put"), func() error { return b.Bucket.PutIfAbsent(ctx, key, body) })
}

func (b mortalBucket) GetRange(ctx context.Context, key string, offset int64, dst []byte) error {
	return b.m.do(purpose(ctx, "get"), func() error { return b.Bucket.GetRange(ctx, key, offset, dst) })
}

func (b mortalBucket) List(ctx context.Context, prefix, after string, most int) (infos []objectstorage.Info, err error) {
	err = b.m.do(purpose(ctx, "list"), func() error { infos, err = b.Bucket.List(ctx, prefix, after, most); return err })
	return infos, err
}

func (b mortalBucket) DeleteMany(ctx context.Context, keys []string) []error {
	errs := make([]error, len(keys))
	err := b.m.do(purpose(ctx, "delete"), func() error { copy(errs, b.Bucket.DeleteMany(ctx, keys)); return nil })
	for i := range errs {
		if err != nil {
			errs[i] = err
		}
	}
	return errs
}

func (b mortalBucket) StartUpload(ctx context.Context, key string, partBytes int) (u objectstorage.Upload, err error) {
	err = b.m.do(purpose(ctx, "put"), func() error { u, err = b.Bucket.StartUpload(ctx, key, partBytes); return err })
	return mortalUpload{u, b.m}, err
}

type mortalUpload struct {
	objectstorage.Upload
	m *mortal
}

func (u mortalUpload) PutPart(ctx context.Context, number int, body [][]byte) error {
	return u.m.do("part", func() error { return u.Upload.PutPart(ctx, number, body) })
}

func (u mortalUpload) Complete(ctx context.Context, parts int) error {
	return u.m.do("end of upload", func() error { return u.Upload.Complete(ctx, parts) })
}

func (u mortalUpload) Abort(ctx context.Context) error {
	return u.m.do("abort", func() error { return u.Upload.Abort(ctx) })
}

// mortalMetadata is the Metadata cluster as the process reaches it. Only what changes something there is counted.
type mortalMetadata struct {
	rpc.MetadataCluster
	m *mortal
}

func (c mortalMetadata) CommitObjects(ctx context.Context, req *rpc.CommitObjectsRequest) (resp *rpc.CommitObjectsResponse, err error) {
	err = c.m.do("commit", func() error { resp, err = c.MetadataCluster.CommitObjects(ctx, req); return err })
	return resp, err
}

func (c mortalMetadata) CompleteWork(ctx context.Context, req *rpc.CompleteWorkRequest) (resp *rpc.CompleteWorkResponse, err error) {
	err = c.m.do("complete "+kindOf(req), func() error { resp, err = c.MetadataCluster.CompleteWork(ctx, req); return err })
	return resp, err
}

func (c mortalMetadata) FailWork(ctx context.Context, req *rpc.FailWorkRequest) (resp *rpc.FailWorkResponse, err error) {
	err = c.m.do("fail", func() error { resp, err = c.MetadataCluster.FailWork(ctx, req); return err })
	return resp, err
}

func (c mortalMetadata) RequestWork(ctx context.Context, req *rpc.RequestWorkRequest) (*rpc.RequestWorkResponse, error) {
	resp, err := c.MetadataCluster.RequestWork(ctx, req)
	if c.m.died() {
		return nil, errDead
	}
	return resp, err
}

func (c mortalMetadata) Forward(ctx context.Context, req *rpc.ForwardRequest) (*rpc.ForwardResponse, error) {
	if c.m.died() {
		return nil, errDead
	}
	return c.MetadataCluster.Forward(ctx, req)
}
