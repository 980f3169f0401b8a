package filesystem

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/inkwell-project/inkwell/objectstorage"
)

// upload is a temp file that parts are written into, each at its place, and that gets its name like a put's.
type upload struct {
	b         *Bucket
	key, name string
	partBytes int

	mu    sync.Mutex // guards what follows
	parts map[int]int64
	ended bool
}

// StartUpload implements objectstorage.Bucket. A process that dies leaves the temp file to the next Open.
func (b *Bucket) StartUpload(ctx context.Context, key string, partBytes int) (objectstorage.Upload, error) {
	if err := b.enter(ctx, key); err != nil {
		return nil, err
	}
	defer b.gate.Leave()
	if err := objectstorage.CheckUpload(key, partBytes); err != nil {
		return nil, err
	}
	u := &upload{b: b, key: key, name: b.temp.nextName(), partBytes: partBytes, parts: map[int]int64{}}
	fd, err := b.temp.create(u.name)
	if err != nil {
		return nil, u.failed(err)
	}
	if err := unix.Close(fd); err != nil {
		return nil, u.failed(err)
	}
	return u, nil
}

// AbortUploads implements objectstorage.Bucket. Unfinished uploads are temp files: those of dead processes are removed by Open, those of this one by Abort.
func (b *Bucket) AbortUploads(ctx context.Context, _ string) (int, error) {
	if err := b.gate.Enter(ctx); err != nil {
		return 0, err
	}
	b.gate.Leave()
	return 0, nil
}

func (u *upload) failed(err error) error {
	if errors.Is(err, fs.ErrNotExist) { // the temp file; of the object it says nothing
		return fmt.Errorf("put %s: %w: %v", u.key, objectstorage.ErrUpload, err)
	}
	return fmt.Errorf("put %s: %w", u.key, mapError(err))
}

// PutPart implements objectstorage.Upload. The part is durable when it returns, so that Complete has little to wait for.
func (u *upload) PutPart(ctx context.Context, number int, body [][]byte) error {
	if err := u.b.gate.Enter(ctx); err != nil {
		return err
	}
	defer u.b.gate.Leave()
	size := objectstorage.BodyBytes(body)
	if err := objectstorage.CheckPart(number, size, u.partBytes); err != nil {
		return u.failed(err)
	}
	if err := u.write(ctx, int64(number)*int64(u.partBytes), body); err != nil {
		return u.failed(err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.parts[number] = size
	return nil
}

func (u *upload) write(ctx context.Context, offset int64, body [][]byte) (err error) {
	var fd int
	err = retryEINTR(func() (err error) {
		fd, err = unix.Openat(u.b.temp.fd(), u.name, unix.O_WRONLY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	if err := writeBody(ctx, fd, offset, body, u.b.direct, !u.b.cfg.NoSync); err != nil {
		return err
	}
	if u.b.cfg.NoSync {
		return nil
	}
	return syncData(fd)
}

// Complete implements objectstorage.Upload.
func (u *upload) Complete(ctx context.Context, parts int) error {
	if err := u.b.gate.Enter(ctx); err != nil {
		return err
	}
	defer u.b.gate.Leave()
	u.mu.Lock()
	whole := parts > 0 && len(u.parts) == parts && !u.ended
	for n := range parts {
		whole = whole && (u.parts[n] == int64(u.partBytes) || n == parts-1 && u.parts[n] > 0)
	}
	u.mu.Unlock()
	if !whole {
		return fmt.Errorf("put %s: %w", u.key, objectstorage.ErrUpload)
	}
	moved, err := u.b.publish(ctx, u.key, u.name)
	if moved {
		u.mu.Lock()
		u.ended = true
		u.mu.Unlock()
	}
	if errors.Is(err, objectstorage.ErrNotFound) {
		return fmt.Errorf("put %s: the temp file is gone: %w: %v", u.key, objectstorage.ErrUpload, err)
	}
	if err != nil {
		return fmt.Errorf("put %s: %w", u.key, err)
	}
	return nil
}

// Abort implements objectstorage.Upload.
func (u *upload) Abort(ctx context.Context) error {
	if err := u.b.gate.Enter(ctx); err != nil {
		return err
	}
	defer u.b.gate.Leave()
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.ended {
		u.ended = true
		u.b.temp.remove(u.name)
	}
	return nil
}
