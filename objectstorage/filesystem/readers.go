package filesystem

import (
	"container/list"
	"context"
	"io"
	"io/fs"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/inkwell-project/inkwell/objectstorage"
)

const (
	// maxIdleOpen closes what nobody reads any more: an open file keeps its space after another process deleted it.
	maxIdleOpen = time.Minute
	// readChunk is how much is read between two looks at the ctx.
	readChunk = 4 << 20
	// backgroundChunk is how much is read or written at a time for those who can wait: a write of others that comes meanwhile waits for that much of the disk's time.
	backgroundChunk = 256 << 10
)

// readers keeps objects open between ranged reads, each up to twice.
type readers struct {
	max int

	mu     sync.Mutex // guards what follows and the fields of reader that say so
	byPath map[string]*reader
	order  *list.List // of *reader, the longest unused first
}

type reader struct {
	path string
	fd   int
	size int64 // objects do not change

	directOnce sync.Once
	direct     int // the file opened past the page cache, or -1; set once

	users  int           // guarded by readers.mu
	at     *list.Element // guarded by readers.mu; nil: no longer known, closed by its last user
	usedAt time.Time     // guarded by readers.mu
}

func newReaders(max int) *readers {
	return &readers{max: max, byPath: map[string]*reader{}, order: list.New()}
}

// acquire opens an object. Release it.
func (s *readers) acquire(path string, now time.Time) (*reader, error) {
	if r := s.use(path, now); r != nil {
		var stat unix.Stat_t
		if err := unix.Fstat(r.fd, &stat); err == nil && stat.Nlink > 0 {
			return r, nil
		}
		s.forget(path) // another process has deleted it
		s.release(r)
	}
	fresh, err := openReader(path)
	if err != nil {
		return nil, err
	}
	fresh.usedAt = now
	return s.add(fresh), nil
}

func openReader(path string) (*reader, error) {
	r := &reader{path: path, fd: -1, direct: -1}
	err := retryEINTR(func() (err error) {
		r.fd, err = unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		return err
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	var stat unix.Stat_t
	if err := unix.Fstat(r.fd, &stat); err != nil {
		unix.Close(r.fd)
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(r.fd)
		return nil, objectstorage.ErrNotFound
	}
	r.size = stat.Size
	return r, nil
}

func (s *readers) use(path string, now time.Time) *reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.byPath[path]
	if r == nil {
		return nil
	}
	r.users++
	r.usedAt = now
	s.order.MoveToBack(r.at)
	return r
}

// add makes a freshly opened object known, unless another goroutine was faster, and closes what is over the bounds.
func (s *readers) add(fresh *reader) *reader {
	var closing []*reader
	s.mu.Lock()
	r := s.byPath[fresh.path]
	if r == nil {
		r = fresh
		s.byPath[r.path] = r
		r.at = s.order.PushBack(r)
	} else {
		closing = append(closing, fresh)
	}
	r.users++
	for e := s.order.Front(); e != nil; {
		oldest := e.Value.(*reader)
		e = e.Next()
		if s.order.Len() <= s.max && fresh.usedAt.Sub(oldest.usedAt) < maxIdleOpen {
			break
		}
		if s.drop(oldest) {
			closing = append(closing, oldest)
		}
	}
	s.mu.Unlock()
	closeAll(closing)
	return r
}

func (s *readers) release(r *reader) {
	s.mu.Lock()
	r.users--
	last := r.users == 0 && r.at == nil
	s.mu.Unlock()
	if last {
		r.close()
	}
}

// forget is for a deleted object: nobody finds it here again, and its space is free after its last reader.
func (s *readers) forget(path string) {
	var closing []*reader
	s.mu.Lock()
	if r := s.byPath[path]; r != nil && s.drop(r) {
		closing = append(closing, r)
	}
	s.mu.Unlock()
	closeAll(closing)
}

// drop takes r out and says whether the caller closes it; otherwise its last user does.
func (s *readers) drop(r *reader) (close bool) {
	delete(s.byPath, r.path)
	s.order.Remove(r.at)
	r.at = nil
	return r.users == 0
}

func (s *readers) close() {
	var closing []*reader
	s.mu.Lock()
	for _, r := range s.byPath {
		if s.drop(r) {
			closing = append(closing, r)
		}
	}
	s.mu.Unlock()
	closeAll(closing)
}

func closeAll(rs []*reader) {
	for _, r := range rs {
		r.close()
	}
}

func (r *reader) close() {
	unix.Close(r.fd)
	if r.direct >= 0 {
		unix.Close(r.direct)
	}
}

func (r *reader) readFull(ctx context.Context, dst []byte, offset int64) error {
	for len(dst) > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n := 0
		err := retryEINTR(func() (err error) {
			n, err = unix.Pread(r.fd, dst[:min(len(dst), chunkOf(ctx, readChunk))], offset)
			return err
		})
		if err != nil {
			return &fs.PathError{Op: "read", Path: r.path, Err: err}
		}
		if n == 0 { // shorter than it was when it was opened: somebody else's hands
			return &fs.PathError{Op: "read", Path: r.path, Err: joinShort{}}
		}
		dst = dst[n:]
		offset += int64(n)
	}
	return nil
}

// joinShort is both io.ErrUnexpectedEOF and the store's short read.
type joinShort struct{}

func (joinShort) Error() string   { return "the file was truncated" }
func (joinShort) Unwrap() []error { return []error{objectstorage.ErrShortRead, io.ErrUnexpectedEOF} }

// chunkOf is how much to ask the disk for at a time.
func chunkOf(ctx context.Context, usual int) int {
	if objectstorage.IsBackground(ctx) {
		return min(usual, backgroundChunk)
	}
	return usual
}
