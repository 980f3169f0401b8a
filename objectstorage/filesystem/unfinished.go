package filesystem

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/inkwell-project/inkwell/objectstorage"
)

// ListUploads implements objectstorage.Bucket: what lies in the temp folders of all processes that have the store open. Those of dead ones were removed by Open. A temp
// file does not say which key it is for, and may be an ordinary put.
func (b *Bucket) ListUploads(ctx context.Context, _ string, max int) (list []objectstorage.UnfinishedUpload, more bool, err error) {
	if err := b.gate.Enter(ctx); err != nil {
		return nil, false, err
	}
	defer b.gate.Leave()
	root := filepath.Dir(b.temp.path)
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, fs.ErrNotExist):
			return nil // it has become an object, or its process has ended
		case err != nil || d.IsDir():
			return err
		}
		id, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(list) == max {
			more = true
			return fs.SkipAll
		}
		list = append(list, objectstorage.UnfinishedUpload{ID: id, Started: info.ModTime()})
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("listing temp files: %w", mapError(err))
	}
	return list, more, nil
}

// AbortUpload implements objectstorage.Bucket. The process that writes the file fails its put or upload, and nothing becomes visible.
func (b *Bucket) AbortUpload(ctx context.Context, u objectstorage.UnfinishedUpload) error {
	if err := b.gate.Enter(ctx); err != nil {
		return err
	}
	defer b.gate.Leave()
	if u.Key != "" || !filepath.IsLocal(u.ID) {
		return fmt.Errorf("abort of upload %q of key %q: %w: it is no temp file of this store", u.ID, u.Key, objectstorage.ErrInvalidKey)
	}
	if err := os.Remove(filepath.Join(filepath.Dir(b.temp.path), u.ID)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("abort of upload %s: %w", u.ID, mapError(err))
	}
	return nil
}
