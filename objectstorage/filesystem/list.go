package filesystem

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/inkwell-project/inkwell/objectstorage"
)

// List implements objectstorage.Bucket.
func (b *Bucket) List(ctx context.Context, prefix, startAfter string, max int) ([]objectstorage.Info, error) {
	if err := b.gate.Enter(ctx); err != nil {
		return nil, err
	}
	defer b.gate.Leave()
	if max <= 0 {
		return nil, nil
	}
	// Only this folder can hold the prefix; "a/b" may be the beginning of a name in "a".
	dir := ""
	if slash := strings.LastIndexByte(prefix, '/'); slash >= 0 {
		dir = prefix[:slash+1]
		if objectstorage.CheckKey(dir+"x") != nil {
			return nil, nil // no key is like that
		}
	}
	w := walk{ctx: ctx, bucket: b, prefix: prefix, after: startAfter, max: max}
	if err := w.folder(dir); err != nil {
		return nil, fmt.Errorf("list %q after %q: %w", prefix, startAfter, mapError(err))
	}
	return w.infos, nil
}

// walk collects one page.
type walk struct {
	ctx    context.Context
	bucket *Bucket
	prefix string
	after  string
	max    int
	infos  []objectstorage.Info
}

// folder visits dir, which is "" or ends with a slash, in the order of whole keys: a sub folder sorts as its name with
// the slash, so that "a.b" comes before "a/b".
func (w *walk) folder(dir string) error {
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	entries, err := os.ReadDir(w.bucket.path(path.Clean("/" + dir)))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
			return nil // removed since its parent was read
		}
		return err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		name := e.Name()
		if dir == "" && name == objectstorage.ReservedPart {
			continue
		}
		if e.IsDir() {
			name += "/"
		}
		if w.wants(dir + name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if len(w.infos) == w.max {
			return nil
		}
		if strings.HasSuffix(name, "/") {
			if err := w.folder(dir + name); err != nil {
				return err
			}
			continue
		}
		if err := w.object(dir + name); err != nil {
			return err
		}
	}
	return nil
}

// wants leaves out what cannot be on the page: for a folder that no key below it can be.
func (w *walk) wants(name string) bool {
	if !strings.HasSuffix(name, "/") {
		return name > w.after && strings.HasPrefix(name, w.prefix)
	}
	if !strings.HasPrefix(name, w.prefix) && !strings.HasPrefix(w.prefix, name) {
		return false
	}
	return name > w.after || strings.HasPrefix(w.after, name)
}

func (w *walk) object(key string) error {
	if objectstorage.CheckKey(key) != nil {
		return nil // not written by us, and not readable through us
	}
	stat, err := os.Lstat(w.bucket.path(key))
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR):
		return nil // deleted in the meantime
	case err != nil:
		return err
	case !stat.Mode().IsRegular():
		return nil
	}
	w.infos = append(w.infos, objectstorage.Info{Key: key, Bytes: stat.Size(), Modified: stat.ModTime()})
	return nil
}
