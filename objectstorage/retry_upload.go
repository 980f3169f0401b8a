package objectstorage

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (r *retrying) StartUpload(ctx context.Context, key string, partBytes int) (Upload, error) {
	u := &retryingUpload{r: r, key: key, partBytes: partBytes, parts: map[int]uploadedPart{}}
	// An answer that is lost leaves an upload that nobody knows. AbortUploads finds it.
	err := r.repeat(ctx, opPut, key, func(ctx context.Context) error {
		return r.once(ctx, opPut, 0, func(ctx context.Context) (err error) {
			u.inner, err = r.inner.StartUpload(ctx, key, partBytes)
			return notAboutTheObject(err)
		})
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}

func (r *retrying) AbortUploads(ctx context.Context, prefix string) (aborted int, err error) {
	err = r.repeat(ctx, opDelete, prefix, func(ctx context.Context) error {
		return r.once(ctx, opDelete, 0, func(ctx context.Context) error {
			n, err := r.inner.AbortUploads(ctx, prefix)
			spend(ctx, opList, 0, err) // which uploads there are is asked before they are removed
			aborted += n
			return err
		})
	})
	return aborted, err
}

func (r *retrying) ListUploads(ctx context.Context, prefix string, max int) (uploads []UnfinishedUpload, more bool, err error) {
	err = r.repeat(ctx, opList, prefix, func(ctx context.Context) error {
		return r.once(ctx, opList, 0, func(ctx context.Context) (err error) {
			uploads, more, err = r.inner.ListUploads(ctx, prefix, max)
			return err
		})
	})
	return uploads, more, err
}

func (r *retrying) AbortUpload(ctx context.Context, u UnfinishedUpload) error {
	return r.repeat(ctx, opDelete, u.Key, func(ctx context.Context) error {
		return r.once(ctx, opDelete, 0, func(ctx context.Context) error { return r.inner.AbortUpload(ctx, u) })
	})
}

// retryingUpload remembers what the parts were, to know its own object again after a lost answer.
type retryingUpload struct {
	r         *retrying
	inner     Upload
	key       string
	partBytes int

	mu    sync.Mutex // guards parts
	parts map[int]uploadedPart
}

type uploadedPart struct {
	bytes int64
	crc   uint32
}

func (u *retryingUpload) PutPart(ctx context.Context, number int, body [][]byte) error {
	part := uploadedPart{bytes: BodyBytes(body)}
	for _, b := range body {
		part.crc = crc32.Update(part.crc, castagnoli, b)
	}
	err := u.r.repeat(ctx, opPut, u.key, func(ctx context.Context) error {
		return u.r.once(ctx, opPut, part.bytes, func(ctx context.Context) error {
			return notAboutTheObject(u.inner.PutPart(ctx, number, body))
		})
	})
	if err == nil {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.parts[number] = part
	}
	return err
}

// Complete asks until the outcome is known. After a request of unknown outcome the store may say that the upload is gone or the key taken, because the first
// request did it: the object that is there tells.
func (u *retryingUpload) Complete(ctx context.Context, parts int) error {
	unknown := false
	return u.r.repeat(ctx, opPut, u.key, func(ctx context.Context) error {
		err := u.r.once(ctx, opPut, 0, func(ctx context.Context) error { return u.inner.Complete(ctx, parts) })
		switch {
		case err == nil:
			return nil
		case unknown && (errors.Is(err, ErrExists) || errors.Is(err, ErrUpload)):
			return u.settle(ctx, parts, err)
		case errors.Is(err, ErrExists), errors.Is(err, ErrInvalidKey), errors.Is(err, ErrUpload):
			return err
		case errors.Is(err, ErrDenied) && unknown:
			return final{fmt.Errorf("%v; an earlier request may have stored the object", err)}
		}
		unknown = unknown || !errors.Is(err, ErrDenied)
		return notAboutTheObject(err)
	})
}

func (u *retryingUpload) settle(ctx context.Context, parts int, said error) error {
	same, err := u.sameContent(ctx, parts)
	switch {
	case same && err == nil:
		return nil
	case errors.Is(err, ErrNotFound) && errors.Is(said, ErrUpload):
		return said // the upload is gone and the object is not there: it never will be
	case err != nil:
		return fmt.Errorf("the object may be there, from our own earlier request; comparing failed: %v", err)
	}
	return final{fmt.Errorf("other bytes: %w", ErrExists)}
}

// sameContent reads the object back, part by part. This is rare.
func (u *retryingUpload) sameContent(ctx context.Context, parts int) (bool, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	size := int64(0)
	for n := range parts {
		size += u.parts[n].bytes
	}
	info, err := attempts{u.r}.Head(ctx, u.key)
	if err != nil || info.Bytes != size {
		return false, err
	}
	piece := make([]byte, min(int64(u.partBytes), comparePiece))
	at := int64(0)
	for n := range parts {
		crc := uint32(0)
		for end := at + u.parts[n].bytes; at < end; {
			b := piece[:min(int64(len(piece)), end-at)]
			if err := (attempts{u.r}).GetRange(ctx, u.key, at, b); err != nil {
				return false, err
			}
			crc = crc32.Update(crc, castagnoli, b)
			at += int64(len(b))
		}
		if crc != u.parts[n].crc {
			return false, nil
		}
	}
	return true, nil
}

func (u *retryingUpload) Abort(ctx context.Context) error {
	return u.r.repeat(ctx, opDelete, u.key, func(ctx context.Context) error {
		return u.r.once(ctx, opDelete, 0, u.inner.Abort)
	})
}

// notAboutTheObject makes ErrNotFound, which is of the bucket or a folder here, an error that may go away.
func notAboutTheObject(err error) error {
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("%v", err)
	}
	return err
}
