package faulty

import (
	"context"

	"github.com/inkwell-project/inkwell/objectstorage"
)

// StartUpload implements objectstorage.Bucket. It, its parts and their completion are each a Put; an abort is a Delete.
func (b *Bucket) StartUpload(ctx context.Context, key string, partBytes int) (u objectstorage.Upload, err error) {
	err = b.call(ctx, Put, key, func(*Fault) error {
		inner, err := b.inner.StartUpload(ctx, key, partBytes)
		u = upload{b, inner, key}
		return err
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}

// AbortUploads implements objectstorage.Bucket.
func (b *Bucket) AbortUploads(ctx context.Context, prefix string) (n int, err error) {
	err = b.call(ctx, Delete, prefix, func(*Fault) (err error) {
		n, err = b.inner.AbortUploads(ctx, prefix)
		return err
	})
	return n, err
}

// ListUploads implements objectstorage.Bucket.
func (b *Bucket) ListUploads(ctx context.Context, prefix string, max int) (uploads []objectstorage.UnfinishedUpload, more bool, err error) {
	err = b.call(ctx, List, prefix, func(*Fault) (err error) {
		uploads, more, err = b.inner.ListUploads(ctx, prefix, max)
		return err
	})
	return uploads, more, err
}

// AbortUpload implements objectstorage.Bucket.
func (b *Bucket) AbortUpload(ctx context.Context, u objectstorage.UnfinishedUpload) error {
	return b.call(ctx, Delete, u.Key, func(*Fault) error { return b.inner.AbortUpload(ctx, u) })
}

type upload struct {
	b     *Bucket
	inner objectstorage.Upload
	key   string
}

func (u upload) PutPart(ctx context.Context, number int, body [][]byte) error {
	return u.b.call(ctx, Put, u.key, func(*Fault) error { return u.inner.PutPart(ctx, number, body) })
}

func (u upload) Complete(ctx context.Context, parts int) error {
	return u.b.call(ctx, Put, u.key, func(*Fault) error { return u.inner.Complete(ctx, parts) })
}

func (u upload) Abort(ctx context.Context) error {
	return u.b.call(ctx, Delete, u.key, func(*Fault) error { return u.inner.Abort(ctx) })
}
