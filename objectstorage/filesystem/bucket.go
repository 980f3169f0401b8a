package filesystem

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/internal/gate"
)

// Config says which folder, and how careful.
type Config struct {
	// Path is the absolute path of the root; it is made when it is missing.
	Path string
	// Setting is named in messages, "--store" by default.
	Setting string
	// Exclusive refuses a second process on the folder, in both directions.
	Exclusive bool
	// NoSync leaves durability to luck. For tests only: what was acknowledged does not survive a power cut.
	NoSync bool
	// OpenFiles is how many objects stay open for reading, 128 by default.
	OpenFiles int
	// OpenFolders is how many folders stay open for writing, 64 by default.
	OpenFolders int
}

// SetDefaults fills what is zero.
func (c *Config) SetDefaults() {
	if c.Setting == "" {
		c.Setting = "--store"
	}
	if c.OpenFiles == 0 {
		c.OpenFiles = 128
	}
	if c.OpenFolders == 0 {
		c.OpenFolders = 64
	}
}

// Validate reports all mistakes at once.
func (c *Config) Validate() error {
	var errs []error
	if !filepath.IsAbs(c.Path) || filepath.Clean(c.Path) == "/" {
		errs = append(errs, fmt.Errorf("%s: the folder %q must be an absolute path other than /, as in file:///var/lib/inkwell", c.Setting, c.Path))
	}
	if c.OpenFiles < 1 || c.OpenFolders < 1 {
		errs = append(errs, fmt.Errorf("%s: open files %d and open folders %d must be at least 1", c.Setting, c.OpenFiles, c.OpenFolders))
	}
	return errors.Join(errs...)
}

// Bucket is a folder of objects.
type Bucket struct {
	cfg     Config
	gate    gate.Gate
	lock    *os.File // shared, or exclusive when asked for
	temp    *tempFolder
	direct  *directIO // nil without syncs: then the page cache is all there is
	folders *folders
	readers *readers
}

// Open makes the folder when it is missing, takes its lock and removes what dead processes left unfinished.
func Open(cfg Config) (*Bucket, error) {
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.Path = filepath.Clean(cfg.Path)
	b := &Bucket{cfg: cfg}
	if err := b.open(); err != nil {
		b.Close()
		if mapped := mapError(err); !errors.Is(mapped, objectstorage.ErrNotFound) { // which is about objects
			err = mapped
		}
		return nil, fmt.Errorf("%s %s: %w", cfg.Setting, b, err)
	}
	return b, nil
}

func (b *Bucket) open() (err error) {
	own := filepath.Join(b.cfg.Path, objectstorage.ReservedPart)
	if err := os.MkdirAll(filepath.Join(own, tempName), 0o755); err != nil {
		return err
	}
	if !b.cfg.NoSync {
		for _, path := range []string{own, b.cfg.Path, filepath.Dir(b.cfg.Path)} {
			if err := syncPath(path); err != nil {
				return err
			}
		}
	}
	if b.lock, err = lockRoot(filepath.Join(own, lockName), b.cfg.Exclusive, b.cfg.Setting); err != nil {
		return err
	}
	if b.temp, err = newTempFolder(filepath.Join(own, tempName)); err != nil {
		return err
	}
	if b.folders, err = newFolders(b.cfg.Path, b.cfg.OpenFolders, b.cfg.NoSync); err != nil {
		return err
	}
	if !b.cfg.NoSync {
		b.direct = newDirectIO(b.folders.root.fd())
	}
	b.readers = newReaders(b.cfg.OpenFiles)
	return nil
}

// Head implements objectstorage.Bucket.
func (b *Bucket) Head(ctx context.Context, key string) (objectstorage.Info, error) {
	if err := b.enter(ctx, key); err != nil {
		return objectstorage.Info{}, err
	}
	defer b.gate.Leave()
	stat, err := os.Lstat(b.path(key))
	if err != nil {
		return objectstorage.Info{}, fmt.Errorf("head %s: %w", key, mapError(err))
	}
	if !stat.Mode().IsRegular() {
		return objectstorage.Info{}, fmt.Errorf("head %s: %w", key, objectstorage.ErrNotFound)
	}
	return objectstorage.Info{Key: key, Bytes: stat.Size(), Modified: stat.ModTime()}, nil
}

// GetRange implements objectstorage.Bucket.
func (b *Bucket) GetRange(ctx context.Context, key string, offset int64, dst []byte) error {
	if err := b.enter(ctx, key); err != nil {
		return err
	}
	defer b.gate.Leave()
	if offset < 0 {
		return fmt.Errorf("get %s: offset %d is negative", key, offset)
	}
	r, err := b.readers.acquire(b.path(key), time.Now())
	if err != nil {
		return fmt.Errorf("get %s: %w", key, mapError(err))
	}
	defer b.readers.release(r)
	if offset > r.size || r.size-offset < int64(len(dst)) {
		return fmt.Errorf("get %s: %d bytes at %d of %d: %w", key, len(dst), offset, r.size, objectstorage.ErrShortRead)
	}
	done, err := b.direct.read(ctx, r, dst, offset)
	if !done {
		err = r.readFull(ctx, dst, offset)
	}
	if err != nil {
		return fmt.Errorf("get %s: %w", key, mapError(err))
	}
	return nil
}

// String implements objectstorage.Bucket.
func (b *Bucket) String() string { return (&url.URL{Scheme: "file", Path: b.cfg.Path}).String() }

// Close implements objectstorage.Bucket.
func (b *Bucket) Close() error {
	if !b.gate.Close() {
		return nil
	}
	if b.readers != nil {
		b.readers.close()
	}
	if b.direct != nil {
		b.direct.close()
	}
	if b.folders != nil {
		b.folders.close()
	}
	var err error
	if b.temp != nil {
		err = b.temp.close()
	}
	if b.lock != nil {
		err = errors.Join(err, b.lock.Close())
	}
	return err
}

// enter begins a call about one key; without an error the caller leaves the gate.
func (b *Bucket) enter(ctx context.Context, key string) error {
	if err := objectstorage.CheckKey(key); err != nil {
		return err
	}
	return b.gate.Enter(ctx)
}

func (b *Bucket) path(key string) string { return filepath.Join(b.cfg.Path, filepath.FromSlash(key)) }

// mapError gives an error of the system the store's meaning.
func mapError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return fmt.Errorf("%w: %w", objectstorage.ErrNotFound, err)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fmt.Errorf("%w: %w", objectstorage.ErrFull, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EROFS):
		return fmt.Errorf("%w: %w", objectstorage.ErrDenied, err)
	}
	return err
}
