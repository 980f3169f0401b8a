// Package pebblestoretest damages the state stores of nodes that are stopped, as a disk would.
package pebblestoretest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/inkwell-project/inkwell/metadata/statestore/pebblestore"
)

// Kind is what befalls the state of one group.
type Kind int

const (
	None Kind = iota
	// FlippedBit: a file that holds the group's state, and nothing else, has another bit than was written.
	FlippedBit
	// AnotherValue: the state can be read, and is another than that of the other replicas.
	AnotherValue
)

// Damage does it to the state, in dir, of one of the groups that may be taken, drawn with r. It returns 0 if there is none yet.
func Damage(fs vfs.FS, dir string, r *rand.Rand, kind Kind, may func(group uint64) bool) (group uint64, err error) {
	s, err := pebblestore.Open(pebblestore.Config{FS: fs, Dir: dir, Logger: slog.New(slog.DiscardHandler), OnDamage: func(error) {}, OnFatal: func(error) {}})
	if err != nil {
		return 0, err
	}
	group, place, rows := pick(r, s, may)
	if group == 0 {
		return 0, s.Close()
	}
	before := tables(fs, dir)
	b := s.NewBatch()
	tx := b.Tx(pebblestore.Space{Group: place, Kind: 's'})
	for key, value := range rows {
		tx.Set([]byte(key), value)
	}
	if kind == AnotherValue {
		tx.Set([]byte("\xffnobody's"), []byte{1})
	}
	b.Commit()
	if err := errors.Join(s.Flush(), s.Close()); err != nil {
		return 0, err
	}
	if kind == AnotherValue {
		return group, nil
	}
	after := tables(fs, dir)
	if len(without(before, after)) > 0 {
		return 0, nil // a compaction came between: there is no table of this group alone
	}
	made := without(after, before)
	if len(made) != 1 {
		return 0, fmt.Errorf("the state of group %d is in %d new tables", group, len(made))
	}
	return group, flip(fs, fs.PathJoin(dir, made[0]))
}

// pick draws a group that has a state.
func pick(r *rand.Rand, s *pebblestore.Store, may func(group uint64) bool) (group, place uint64, rows map[string][]byte) {
	places := map[uint64]uint64{} // of those that were installed from a snapshot
	s.View(func(v *pebblestore.View) {
		v.Reader(pebblestore.Space{Kind: 'p'}).Scan(nil, nil, func(key, value []byte) bool {
			places[binary.BigEndian.Uint64(value)] = binary.BigEndian.Uint64(key)
			return true
		})
	})
	var all [][2]uint64
	groups, _ := s.Groups(nil)
	for _, at := range groups {
		id := at
		if moved, ok := places[at]; ok {
			id = moved
		}
		if id != 0 && may(id) { // 0 is the node's own
			all = append(all, [2]uint64{id, at})
		}
	}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, g := range all {
		rows = map[string][]byte{}
		s.View(func(v *pebblestore.View) {
			v.Reader(pebblestore.Space{Group: g[1], Kind: 's'}).Scan(nil, nil, func(key, value []byte) bool {
				rows[string(key)] = slices.Clone(value)
				return true
			})
		})
		if len(rows) > 0 {
			return g[0], g[1], rows
		}
	}
	return 0, 0, nil
}

func tables(fs vfs.FS, dir string) (names []string) {
	all, _ := fs.List(dir)
	for _, name := range all {
		if strings.HasSuffix(name, ".sst") {
			names = append(names, name)
		}
	}
	return names
}

// without is what all has and some has not.
func without(all, some []string) (rest []string) {
	for _, name := range all {
		if !slices.Contains(some, name) {
			rest = append(rest, name)
		}
	}
	return rest
}

// flip changes a bit of a table's first block.
func flip(fs vfs.FS, path string) error {
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, 20); err != nil && err != io.EOF {
		return errors.Join(err, f.Close())
	}
	b[0] ^= 1
	_, err = f.WriteAt(b, 20)
	return errors.Join(err, f.Sync(), f.Close())
}
