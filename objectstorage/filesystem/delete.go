package filesystem

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"golang.org/x/sys/unix"

	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/internal/gate"
)

// DeleteMany implements objectstorage.Bucket. A removal is durable before it is reported: the caller forgets the
// object then, and one that came back after a power cut would stay for ever.
func (b *Bucket) DeleteMany(ctx context.Context, keys []string) []error {
	if err := b.gate.Enter(ctx); err != nil {
		return gate.Errors(len(keys), err)
	}
	defer b.gate.Leave()
	errs := make([]error, len(keys))
	var dirs []string // in the order of their first key
	inDir := map[string][]int{}
	for i, key := range keys {
		if errs[i] = b.deleteOne(ctx, key); errs[i] != nil {
			continue
		}
		dir := path.Clean("/" + path.Dir(key))[1:]
		if inDir[dir] == nil {
			dirs = append(dirs, dir)
		}
		inDir[dir] = append(inDir[dir], i)
	}
	for _, dir := range dirs {
		if err := b.folders.removeEmpty(dir); err != nil {
			for _, i := range inDir[dir] {
				errs[i] = fmt.Errorf("delete %s: sync of the folder: %w", keys[i], err)
			}
		}
	}
	return errs
}

func (b *Bucket) deleteOne(ctx context.Context, key string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := objectstorage.CheckKey(key); err != nil {
		return err
	}
	file := b.path(key)
	err := retryEINTR(func() error { return unix.Unlink(file) })
	b.readers.forget(file)
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return nil
	case errors.Is(err, unix.EISDIR), errors.Is(err, unix.EPERM) && isFolder(file):
		return nil // a folder is no object
	}
	return fmt.Errorf("delete %s: %w", key, mapError(err))
}

func isFolder(path string) bool {
	var stat unix.Stat_t
	return unix.Lstat(path, &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFDIR
}
