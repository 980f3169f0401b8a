package sim

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/inkwell-project/inkwell/objectstorage"
)

// storeView is a cluster's object store as one process of a broker sees it. What a process that ended had under way may still be done; it
// begins nothing new and hears no answer.
type storeView struct {
	objectstorage.Bucket
	inc *incarnation
	of  *storeWay
}

// storeWay is a broker's way to its store, through all its processes.
type storeWay struct {
	cut atomic.Bool // the broker does not reach the store

	mu    sync.Mutex // guards what follows
	crash *countdown // at one of the next calls
	after bool       // when the store has done it, and nobody heard of it
}

// crashSoon has f called at the n-th next call; a nil f takes that back.
func (s *storeWay) crashSoon(nth int, after bool, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crash, s.after = nil, after
	if f != nil {
		s.crash = &countdown{nth, f}
	}
}

// count counts a call and returns what is to be called before and after it.
func (s *storeWay) count() (before, after func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	nothing := func() {}
	if s.crash == nil {
		return nothing, nothing
	}
	if s.crash.left--; s.crash.left > 0 {
		return nothing, nothing
	}
	f := s.crash.f
	s.crash = nil
	if s.after {
		return nothing, f
	}
	return f, nothing
}

var errStoreCut = errors.New("the object store does not answer")

// reach waits while the store is out of reach or the process is paused.
func (v *storeView) reach(ctx context.Context) error {
	switch {
	case v.inc.dead.Load():
		return errStoreCut
	case v.of.cut.Load():
		<-ctx.Done()
		return errors.Join(errStoreCut, context.Cause(ctx))
	}
	return v.inc.unpaused(ctx)
}

func (v *storeView) call(ctx context.Context, do func() error) error {
	before, after := func() {}, func() {}
	if v.inc.alive() {
		before, after = v.of.count()
	}
	before()
	if err := v.reach(ctx); err != nil {
		return err
	}
	err := do()
	after()
	if e := v.reach(ctx); e != nil {
		return e // the answer is lost
	}
	return err
}

// PutIfAbsent implements objectstorage.Bucket.
func (v *storeView) PutIfAbsent(ctx context.Context, key string, body [][]byte) error {
	return v.call(ctx, func() error { return v.Bucket.PutIfAbsent(ctx, key, body) })
}

// GetRange implements objectstorage.Bucket.
func (v *storeView) GetRange(ctx context.Context, key string, offset int64, dst []byte) error {
	return v.call(ctx, func() error { return v.Bucket.GetRange(ctx, key, offset, dst) })
}

// Head implements objectstorage.Bucket.
func (v *storeView) Head(ctx context.Context, key string) (info objectstorage.Info, err error) {
	err = v.call(ctx, func() (err error) {
		info, err = v.Bucket.Head(ctx, key)
		return err
	})
	return info, err
}

// List implements objectstorage.Bucket.
func (v *storeView) List(ctx context.Context, prefix, startAfter string, most int) (infos []objectstorage.Info, err error) {
	err = v.call(ctx, func() (err error) {
		infos, err = v.Bucket.List(ctx, prefix, startAfter, most)
		return err
	})
	return infos, err
}

// DeleteMany implements objectstorage.Bucket.
func (v *storeView) DeleteMany(ctx context.Context, keys []string) (errs []error) {
	err := v.call(ctx, func() error {
		errs = v.Bucket.DeleteMany(ctx, keys)
		return nil
	})
	if err != nil {
		errs = make([]error, len(keys))
		for i := range errs {
			errs[i] = err
		}
	}
	return errs
}

// Close implements objectstorage.Bucket. The store stays for the next process.
func (v *storeView) Close() error { return nil }

// StartUpload implements objectstorage.Bucket.
func (v *storeView) StartUpload(ctx context.Context, key string, partBytes int) (u objectstorage.Upload, err error) {
	err = v.call(ctx, func() (err error) {
		u, err = v.Bucket.StartUpload(ctx, key, partBytes)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &uploadView{u, v}, nil
}

// AbortUploads implements objectstorage.Bucket.
func (v *storeView) AbortUploads(ctx context.Context, prefix string) (n int, err error) {
	err = v.call(ctx, func() (err error) {
		n, err = v.Bucket.AbortUploads(ctx, prefix)
		return err
	})
	return n, err
}

type uploadView struct {
	inner objectstorage.Upload
	v     *storeView
}

// PutPart implements objectstorage.Upload.
func (u *uploadView) PutPart(ctx context.Context, number int, body [][]byte) error {
	return u.v.call(ctx, func() error { return u.inner.PutPart(ctx, number, body) })
}

// Complete implements objectstorage.Upload.
func (u *uploadView) Complete(ctx context.Context, parts int) error {
	return u.v.call(ctx, func() error { return u.inner.Complete(ctx, parts) })
}

// Abort implements objectstorage.Upload.
func (u *uploadView) Abort(ctx context.Context) error {
	return u.v.call(ctx, func() error { return u.inner.Abort(ctx) })
}
