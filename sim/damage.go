package sim

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/inkwell-project/inkwell/metadata/clustercontroller/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/metadata/statestore/pebblestore"
)

// damage is what a disk does to the state of one group on one node.
type damage int

const (
	noDamage damage = iota
	// flippedBit: a file that holds the group's state, and nothing else, has another bit than was written.
	flippedBit
	// anotherValue: the state can be read, and is another than that of the other replicas.
	anotherValue
)

// damageReplicas damages the state of a group on a node, again and again, until ctx ends: on another node only when all of the one before is well.
func (w *World) damageReplicas(ctx context.Context) {
	r := w.source.Rand("damage")
	for sleep(ctx, time.Duration(r.Int64N(int64(4*time.Second)))) == nil {
		n := w.nodes[r.IntN(len(w.nodes))]
		var group uint64
		var err error
		n.whileDown(func() { group, err = n.damage(r, w.plan.Damage) })
		if err != nil {
			w.violation("a state could not be damaged: %v", err)
			return
		}
		if group != 0 && w.untilWell(ctx, n, group) != nil {
			return // the end shows it
		}
	}
}

// whileDown stops a process, calls fn, and starts it. Nobody else starts it meanwhile.
func (p *process) whileDown(fn func()) {
	for held := false; !held; {
		p.stop()
		p.mu.Lock()
		if held = p.current == nil && !p.stopping; held {
			p.stopping = true
		}
		p.mu.Unlock()
		if !held {
			time.Sleep(time.Millisecond)
		}
	}
	fn()
	p.mu.Lock()
	p.stopping = false
	p.mu.Unlock()
	p.start()
}

// allWell waits until every node has a sound replica of each group that any has one of.
func (w *World) allWell(ctx context.Context) {
	groups := map[uint64]bool{}
	for _, n := range w.nodes {
		if node := n.node.Load(); node != nil {
			hashes, _ := node.StateHashes() // none: it is ending
			for _, h := range hashes {
				groups[h.Group] = true
			}
		}
	}
	for group := range groups {
		for _, n := range w.nodes {
			if err := w.untilWell(ctx, n, group); err != nil {
				why := errors.New("it is down")
				if node := n.node.Load(); node != nil {
					why = node.Ready()
				}
				w.violation("no progress: %s after the last fault %s has no sound replica of group %d: %v", w.plan.Settle, n.host, group, why)
				return
			}
		}
	}
}

// damage does it to one of the groups on a node that is stopped. It returns 0 if there is none yet.
func (n *metadataNode) damage(r *rand.Rand, what damage) (group uint64, err error) {
	fs, dir := n.disk.fs(), filepath.Join("metadata", "state")
	open := func() (*pebblestore.Store, error) {
		return pebblestore.Open(pebblestore.Config{FS: fs, Dir: dir, Logger: slog.New(slog.DiscardHandler), OnDamage: func(error) {}, OnFatal: func(error) {}})
	}
	s, err := open()
	if err != nil {
		return 0, err
	}
	group, place, rows := pick(r, s)
	if group == 0 {
		return 0, s.Close()
	}
	before := tables(fs, dir)
	b := s.NewBatch()
	tx := b.Tx(pebblestore.Space{Group: place, Kind: 's'})
	for key, value := range rows {
		tx.Set([]byte(key), value)
	}
	if what == anotherValue {
		tx.Set([]byte("\xffnobody's"), []byte{1})
	}
	b.Commit()
	if err := errors.Join(s.Flush(), s.Close()); err != nil {
		return 0, err
	}
	after := tables(fs, dir)
	if what == flippedBit && len(without(before, after)) > 0 {
		return 0, nil // a compaction came between: there is no table of this group alone
	}
	n.w.trace.Add("DAMAGE", n.host, fmt.Sprintf("group %d, kind %d", group, what))
	n.w.damaged.Add(1)
	if what == anotherValue {
		n.w.differ.Store(group, true)
		return group, nil
	}
	made := without(after, before)
	if len(made) != 1 {
		return 0, fmt.Errorf("%s: the state of group %d is in %d new tables", n.host, group, len(made))
	}
	return group, flip(fs, fs.PathJoin(dir, made[0]))
}

// pick draws a group that has a state.
func pick(r *rand.Rand, s *pebblestore.Store) (group, place uint64, rows map[string][]byte) {
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
		if id >= state.ClusterMetadataGroup && id <= state.OwnOffsetsGroup {
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

// untilWell returns when the node serves, rebuilds nothing, and its state of the group is that of another node at the same index.
func (w *World) untilWell(ctx context.Context, n *metadataNode, group uint64) error {
	for {
		if sleep(ctx, 200*time.Millisecond) != nil {
			return context.Cause(ctx)
		}
		if node := n.node.Load(); node == nil || node.Ready() != nil {
			continue
		}
		own, ok := n.stateHash(group)
		if !ok {
			continue
		}
		for _, other := range w.nodes {
			if h, ok := other.stateHash(group); other != n && ok && h == own {
				return nil
			}
		}
	}
}

func (n *metadataNode) stateHash(group uint64) (raftlog.StateHash, bool) {
	node := n.node.Load()
	if node == nil {
		return raftlog.StateHash{}, false
	}
	hashes, _ := node.StateHashes() // none: it is ending
	for _, h := range hashes {
		if h.Group == group {
			return h, true
		}
	}
	return raftlog.StateHash{}, false
}

// checkState holds a state against those of other replicas at the same index. Where one was made to differ all may: until the next comparison that replica may lead, and send its
// state to another. In the end they agree, see allWell.
func (w *World) checkState(h raftlog.StateHash, where string) error {
	if _, may := w.differ.Load(h.Group); may {
		return nil
	}
	return w.check(w.history.State(h.Group, h.Index, h.Hash, where))
}
