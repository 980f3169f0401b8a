package filesystem

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"golang.org/x/sys/unix"

	"github.com/inkwell-project/inkwell/objectstorage"
)

// maxFolderRaces bounds how often a put makes a folder again that a delete has just removed.
const maxFolderRaces = 100

// PutIfAbsent implements objectstorage.Bucket. The order of its steps is the crash safety that doc.go describes.
func (b *Bucket) PutIfAbsent(ctx context.Context, key string, body [][]byte) error {
	if err := b.enter(ctx, key); err != nil {
		return err
	}
	defer b.gate.Leave()
	name := b.temp.nextName()
	if err := b.writeTemp(ctx, name, body); err != nil {
		b.temp.remove(name)
		return fmt.Errorf("put %s: %w", key, mapError(err))
	}
	moved, err := b.publish(ctx, key, name)
	if !moved {
		b.temp.remove(name)
	}
	if errors.Is(err, objectstorage.ErrNotFound) {
		return fmt.Errorf("put %s: the temp file was removed by other hands: %v", key, err)
	}
	if err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	return nil
}

// writeTemp makes the bytes durable under a name that no reader sees.
func (b *Bucket) writeTemp(ctx context.Context, name string, body [][]byte) (err error) {
	fd, err := b.temp.create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	if err := writeBody(ctx, fd, 0, body, b.direct, !b.cfg.NoSync); err != nil {
		return err
	}
	if b.cfg.NoSync {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return syncData(fd)
}

// publish gives the temp file its name and makes the name durable. moved is true when the temp file is gone.
func (b *Bucket) publish(ctx context.Context, key, name string) (moved bool, err error) {
	dir, base := path.Split(key)
	for range maxFolderRaces {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		folder, err := b.folders.acquire(path.Clean("/" + dir)[1:])
		if err != nil {
			return false, mapError(err)
		}
		moved, err := b.publishIn(folder, base, name)
		// The folder was removed, empty, since it was opened. Nothing happened yet: make it again.
		gone := !moved && errors.Is(err, fs.ErrNotExist) && folder.removed()
		if gone {
			b.folders.forget(folder)
		}
		b.folders.release(folder)
		if !gone {
			return moved, err
		}
	}
	return false, fmt.Errorf("the folder %q is removed faster than it can be made", dir)
}

func (b *Bucket) publishIn(folder *folder, base, name string) (moved bool, err error) {
	err = renameNoReplace(b.temp.fd(), name, folder.fd(), base)
	if errors.Is(err, fs.ErrExist) {
		var stat unix.Stat_t
		if unix.Fstatat(folder.fd(), base, &stat, unix.AT_SYMLINK_NOFOLLOW) == nil && stat.Mode&unix.S_IFMT == unix.S_IFDIR {
			return false, errors.New("a folder has that name: this store cannot hold a key and another key below it")
		}
		// The winner may still be on its way to the disk. "Exists" is a promise, too: the caller may find its own
		// bytes there and count on them.
		if err := folder.sync(); err != nil {
			return false, fmt.Errorf("sync of the folder: %v", err)
		}
		return false, objectstorage.ErrExists
	}
	if err != nil {
		return false, mapError(err)
	}
	if err := folder.sync(); err != nil {
		// The kernel may forget what it failed to write and call the next sync a success. The name must not stay to
		// be found and believed by a retry. Not mapped: the outcome is unknown, whatever the cause.
		_ = unix.Unlinkat(folder.fd(), base, 0)
		return true, fmt.Errorf("sync of the folder: %v", err)
	}
	return true, nil
}
