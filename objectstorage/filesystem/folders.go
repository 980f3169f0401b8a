package filesystem

import (
	"container/list"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// folders keeps the folders open that are written to. An open folder is one whose own name is durable.
type folders struct {
	root   *folder
	path   string
	max    int
	syncFD func(fd int) error // tests count and fail it

	mu     sync.Mutex // guards what follows and the fields of folder that say so
	byPath map[string]*folder
	idle   *list.List // of *folder without users, the longest idle first
}

type folder struct {
	rel   string
	f     *os.File
	owner *folders
	group groupSync

	users  int           // guarded by folders.mu
	idleAt *list.Element // guarded by folders.mu
	known  bool          // in byPath; guarded by folders.mu
}

func newFolders(root string, max int, noSync bool) (*folders, error) {
	f, err := os.Open(root)
	if err != nil {
		return nil, err
	}
	s := &folders{path: root, max: max, syncFD: syncFile, byPath: map[string]*folder{}, idle: list.New()}
	if noSync {
		s.syncFD = func(int) error { return nil }
	}
	s.root = &folder{f: f, owner: s}
	return s, nil
}

// acquire opens a folder, given relative to the root ("" is the root), and makes it when it is missing. Release it.
func (s *folders) acquire(rel string) (*folder, error) {
	var err error
	for range maxFolderRaces {
		var f *folder
		if f, err = s.tryAcquire(rel); !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	return nil, err
}

// tryAcquire fails with ErrNotExist when a folder on the way was removed in the meantime.
func (s *folders) tryAcquire(rel string) (*folder, error) {
	if rel == "" {
		return s.root, nil
	}
	if f := s.use(rel); f != nil {
		return f, nil
	}
	parentRel, name := path.Split(rel)
	parent, err := s.tryAcquire(path.Clean("/" + parentRel)[1:])
	if err != nil {
		return nil, err
	}
	defer s.release(parent)
	opened, err := makeFolder(parent, name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			s.forget(parent)
		}
		return nil, fmt.Errorf("folder %q: %w", rel, err)
	}
	return s.add(&folder{rel: rel, f: opened, owner: s}), nil
}

// makeFolder returns the sub folder with its name durable in the parent. The sync is done even if the folder was there:
// who made it may not have synced it yet, or may have died before.
func makeFolder(parent *folder, name string) (*os.File, error) {
	err := retryEINTR(func() error { return unix.Mkdirat(parent.fd(), name, 0o755) })
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	fd := -1
	err = retryEINTR(func() (err error) {
		fd, err = unix.Openat(parent.fd(), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil, errors.New("an object has that name: this store cannot hold a key and another key below it")
	}
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	if err := parent.sync(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// use returns an open folder, or nil.
func (s *folders) use(rel string) *folder {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.byPath[rel]
	if f != nil {
		s.addUser(f)
	}
	return f
}

func (s *folders) addUser(f *folder) {
	f.users++
	if f.idleAt != nil {
		s.idle.Remove(f.idleAt)
		f.idleAt = nil
	}
}

// add makes a freshly opened folder known, unless another goroutine was faster.
func (s *folders) add(fresh *folder) *folder {
	s.mu.Lock()
	f := s.byPath[fresh.rel]
	if f == nil {
		f = fresh
		f.known = true
		s.byPath[f.rel] = f
	}
	s.addUser(f)
	s.mu.Unlock()
	if f != fresh {
		fresh.f.Close()
	}
	return f
}

func (s *folders) release(f *folder) {
	if f == s.root {
		return
	}
	var closing []*folder
	s.mu.Lock()
	f.users--
	if f.users == 0 {
		if f.known {
			f.idleAt = s.idle.PushBack(f)
		} else {
			closing = append(closing, f)
		}
	}
	for len(s.byPath) > s.max && s.idle.Len() > 0 {
		oldest := s.idle.Remove(s.idle.Front()).(*folder)
		oldest.idleAt = nil
		s.drop(oldest)
		closing = append(closing, oldest)
	}
	s.mu.Unlock()
	for _, f := range closing {
		f.f.Close()
	}
}

// forget makes the next acquire open the folder anew; users keep this one until they release it.
func (s *folders) forget(f *folder) {
	if f == s.root {
		return
	}
	s.mu.Lock()
	s.drop(f)
	idle := f.idleAt != nil
	if idle {
		s.idle.Remove(f.idleAt)
		f.idleAt = nil
	}
	s.mu.Unlock()
	if idle {
		f.f.Close()
	}
}

func (s *folders) drop(f *folder) {
	if f.known {
		f.known = false
		delete(s.byPath, f.rel)
	}
}

// removeEmpty removes the folder and its parents as far as they are empty, and makes that durable: the sync of the
// lowest folder that stays covers what was removed below it.
func (s *folders) removeEmpty(rel string) error {
	for rel != "" {
		err := retryEINTR(func() error { return unix.Rmdir(filepath.Join(s.path, filepath.FromSlash(rel))) })
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			break // not empty, most of all
		}
		// An open folder of that name is dead now. If another process made it anew, opening it anew does no harm.
		if f := s.use(rel); f != nil {
			s.forget(f)
			s.release(f)
		}
		rel = path.Clean("/" + path.Dir(rel))[1:]
	}
	return s.syncExisting(rel)
}

// syncExisting does not make the folder: one that is gone needs no sync.
func (s *folders) syncExisting(rel string) error {
	if rel == "" {
		return s.root.sync()
	}
	if f := s.use(rel); f != nil {
		defer s.release(f)
		return f.sync()
	}
	f, err := os.Open(filepath.Join(s.path, filepath.FromSlash(rel)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return s.syncFD(int(f.Fd()))
}

func (s *folders) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.byPath { // the gate is closed: nobody uses them
		f.f.Close()
	}
	s.byPath = nil
	s.root.f.Close()
}

func (f *folder) fd() int { return int(f.f.Fd()) }

// sync makes all names durable that were in the folder when it was called.
func (f *folder) sync() error {
	return f.group.do(func() error { return f.owner.syncFD(f.fd()) })
}

// removed is true for a folder that has no name any more.
func (f *folder) removed() bool {
	var stat unix.Stat_t
	return unix.Fstat(f.fd(), &stat) == nil && stat.Nlink == 0
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return syncFile(int(f.Fd()))
}
