package pebblestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// Store is one node's database.
type Store struct {
	db      *pebble.DB
	writes  *tableWrites
	rows    rows
	batches sync.Pool // of *Batch
}

// Space is one kind of data of one group.
type Space struct {
	Group uint64
	Kind  byte
}

// prefixSize is the group's id, so that a group is one range of keys, and the kind.
const prefixSize = 9

func (s Space) appendTo(b []byte) []byte {
	return append(binary.BigEndian.AppendUint64(b, s.Group), s.Kind)
}

// memTables is how many Pebble has at most: one that is written to, one that becomes a table, one to be used again. It takes their bytes off the block cache.
const memTables = 3

// Open opens the store, or makes it where there is none.
func Open(cfg Config) (*Store, error) {
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cache := pebble.NewCache(cfg.CacheBytes + memTables*cfg.MemTableBytes)
	defer cache.Unref() // the database holds its own reference
	log, writes, damaged := logger{cfg.Logger, cfg.OnFatal}, newTableWrites(&cfg), newDamagedFiles(cfg.Clock)
	opts := &pebble.Options{
		FS:                 writes,
		Cache:              cache,
		MemTableSize:       uint64(cfg.MemTableBytes),
		DisableWAL:         true, // the Raft log is the log
		FormatMajorVersion: pebble.FormatNewest,
		MaxOpenFiles:       256,
		// A coordinator writes far more than it reads, and its rows spare it most reads: tables wait longer than by default until they are merged.
		L0CompactionThreshold: 16,
		L0StopWritesThreshold: 64,
		Logger:                log,
		EventListener: &pebble.EventListener{
			// Without this Pebble ends the process at the first damaged block, whoever's it is.
			DataCorruption: func(info pebble.DataCorruptionInfo) {
				err := fmt.Errorf("state store: the file %s is damaged: %s", info.Path, info.Details.Error()) // its %+v is a page of frames
				if damaged.tell(err.Error()) {
					cfg.Logger.Error("a file of the state store is damaged; check the disk", "error", err)
				}
				cfg.OnDamage(err)
				damaged.pause()
			},
			BackgroundError: func(err error) {
				text := err.Error() // its %+v is a page of frames
				what := text
				if writes.failing() { // each try has a table of another name
					what = "a table could not be written"
				}
				if damaged.tell(what) {
					cfg.Logger.Error("the state store failed in the background and tries again", "error", text)
				}
			},
		},
	}
	for i := range opts.Levels {
		// Most commands look up keys that are not there yet: a filter saves the read.
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	db, err := pebble.Open(cfg.Dir, opts)
	if err != nil {
		return nil, fmt.Errorf("state store in %s: %w", cfg.Dir, err)
	}
	s := &Store{db: db, writes: writes}
	s.rows.init(cfg.RowBytes)
	return s, nil
}

// Damaged says whether err, of Open or in a statestore.Failure, is about files that do not hold what was written to them, or are gone, and not about a disk that cannot be read just now or
// files of a newer version. For a file of another size than it was written with Pebble has words only.
func Damaged(err error) bool {
	return err != nil && (pebble.IsCorruptionError(err) || errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "object size mismatch"))
}

// Flush makes everything that was committed before durable.
func (s *Store) Flush() error {
	done := make(chan error, 1)
	go func() { done <- s.db.Flush() }() // if tables cannot be written it tries for ever, and nobody may wait for that
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("state store: flush: %w", err)
		}
		return nil
	case <-s.writes.ended:
		return s.writes.err
	}
}

// Close ends the store. What was not flushed is lost, and comes back from the Raft log. If tables cannot be written, which was told to OnFatal, writers may be stuck in
// the store for ever: it is left as it is for the end of the process.
func (s *Store) Close() error {
	select {
	case <-s.writes.ended:
		return nil
	default:
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("state store: close: %w", err)
	}
	return nil
}

// Durable calls fn with a reader of sp that shows only what no crash can take.
func (s *Store) Durable(sp Space, fn func(statestore.Reader)) {
	fn(newReader(durable{s.db}, sp))
}

// View calls fn with a consistent view of the spaces that fn asks for.
func (s *Store) View(fn func(*View)) {
	snapshot := s.db.NewSnapshot()
	defer func() { check("close a view", snapshot.Close()) }()
	fn(&View{snapshot})
}

// NewView is a consistent view for longer than a call. It must be closed before the store.
func (s *Store) NewView() *View { return &View{s.db.NewSnapshot()} }

// Close ends the view.
func (v *View) Close() { check("close a view", v.snapshot.Close()) }

// Groups are the ids of all groups that have data, in order. It costs a seek for each. Where a file is damaged it goes on with the next of known, which are in order and
// all of which it then lists; whole is false.
func (s *Store) Groups(known []uint64) (ids []uint64, whole bool) {
	whole = true
	for from := uint64(0); ; {
		found, err := s.groupsFrom(from)
		ids = append(ids, found...)
		if err == nil {
			return ids, whole
		}
		whole = false
		if len(found) > 0 {
			from = found[len(found)-1] + 1
		}
		next := slices.IndexFunc(known, func(id uint64) bool { return id >= from })
		if next < 0 {
			return ids, false
		}
		ids = append(ids, known[next])
		if known[next] == math.MaxUint64 {
			return ids, false
		}
		from = known[next] + 1
	}
}

// groupsFrom lists until the end, or until what it reads is damaged.
func (s *Store) groupsFrom(from uint64) (ids []uint64, err error) {
	it, err := s.db.NewIter(nil)
	check("list groups", err)
	for ok := it.SeekGE(binary.BigEndian.AppendUint64(nil, from)); ok; {
		group := binary.BigEndian.Uint64(it.Key())
		ids = append(ids, group)
		if group == math.MaxUint64 {
			break
		}
		ok = it.SeekGE(binary.BigEndian.AppendUint64(nil, group+1))
	}
	return ids, errors.Join(it.Error(), it.Close())
}

// View is the whole store at one moment.
type View struct{ snapshot *pebble.Snapshot }

// Reader reads one space.
func (v *View) Reader(sp Space) statestore.Reader { return newReader(v.snapshot, sp) }

// Excise deletes everything of a group whose files are damaged. DeleteGroup would leave them to compactions, which must read them to the end.
func (s *Store) Excise(ctx context.Context, group uint64) error {
	deleted := groupRange(group)
	defer func() {
		s.rows.mu.Lock()
		defer s.rows.mu.Unlock()
		s.rows.forget(deleted)
	}()
	if err := s.db.Excise(ctx, pebble.KeyRange{Start: deleted.lo, End: deleted.hi}); err != nil {
		return fmt.Errorf("state store: free the damaged state of group %d: %w", group, err)
	}
	return nil
}

func check(op string, err error) {
	if err != nil && !errors.Is(err, pebble.ErrNotFound) {
		panic(&statestore.Failure{Op: op, Err: err})
	}
}

// logger hands Pebble's log to slog. Its infos are about files and tables: debug.
type logger struct {
	log     *slog.Logger
	onFatal func(error)
}

func (l logger) Infof(format string, args ...any)  { l.log.Debug(fmt.Sprintf(format, args...)) }
func (l logger) Errorf(format string, args ...any) { l.log.Error(fmt.Sprintf(format, args...)) }

// Fatalf never returns, as Pebble asks for: its caller must not go on. The owner ends the process.
func (l logger) Fatalf(format string, args ...any) {
	err := fmt.Errorf("state store: "+format, args...)
	l.log.Error("the state store cannot go on", "error", err)
	l.onFatal(err)
	select {}
}
