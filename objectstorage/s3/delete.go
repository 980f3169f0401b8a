package s3

import (
	"context"
	"errors"
	"fmt"

	"github.com/minio/minio-go/v7"

	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/internal/gate"
)

// DeleteMany implements objectstorage.Bucket: one request for each 1,000 keys. A page that fails does not undo or
// prevent the others.
func (b *Bucket) DeleteMany(ctx context.Context, keys []string) []error {
	if err := b.gate.Enter(ctx); err != nil {
		return gate.Errors(len(keys), err)
	}
	defer b.gate.Leave()
	errs := make([]error, len(keys))
	page := make(map[string][]int, min(len(keys), deletePage)) // object name to the indices that ask for it
	for i, key := range keys {
		name, err := b.enter(ctx, key)
		if err != nil {
			errs[i] = err
			continue
		}
		b.gate.Leave()
		page[name] = append(page[name], i)
		if len(page) == deletePage {
			b.deletePage(ctx, page, errs)
			clear(page)
		}
	}
	if len(page) > 0 {
		b.deletePage(ctx, page, errs)
	}
	for i, key := range keys {
		if errs[i] != nil {
			errs[i] = fmt.Errorf("delete %s: %w", key, errs[i])
		}
	}
	return errs
}

func (b *Bucket) deletePage(ctx context.Context, page map[string][]int, errs []error) {
	// Silence about a key is not success.
	unanswered := errors.New("the store did not say whether it is deleted")
	objects := make(chan minio.ObjectInfo, len(page))
	for name := range page {
		objects <- minio.ObjectInfo{Key: name}
	}
	close(objects)
	for result := range b.client.RemoveObjectsWithResult(ctx, b.loc.Bucket, objects, minio.RemoveObjectsOptions{}) {
		err := mapError(ctx, result.Err)
		if errors.Is(err, objectstorage.ErrNotFound) {
			err = nil
		}
		if result.ObjectName == "" && err != nil { // about the answer as a whole
			unanswered = err
			continue
		}
		for _, i := range page[result.ObjectName] {
			errs[i] = err
		}
		delete(page, result.ObjectName)
	}
	for _, indices := range page {
		for _, i := range indices {
			errs[i] = unanswered
		}
	}
}
