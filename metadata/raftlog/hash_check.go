package raftlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"go.etcd.io/raft/v3"

	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/metadata/statestore/pebblestore"
)

// From time to time a leader puts a check into the log. Each replica hashes a part of its state as it is at that entry, away from everything else, and
// sends the hash to the leader, which puts what most of them say into the log as the verdict. A replica whose hash is another
// halts this one group. Each check goes on where the one before it ended, so that none reads more than maxHashBytes.

const (
	maxHashBytes = 16 << 20
	maxHashKeys  = 100_000
	// hashWaitTicks is how long a leader waits for the others' hashes.
	hashWaitTicks = 50
)

// hashCheck is a check under way, on the leader.
type hashCheck struct {
	term   uint64
	began  int    // tick
	index  uint64 // 0 until it is applied here
	hashes map[int32][sha256.Size]byte
	early  []func() // hashes of replicas that were faster than this one
}

// ownHash is what this replica knows of the last check.
type ownHash struct {
	index   uint64
	hash    [sha256.Size]byte
	hashed  bool
	verdict *[sha256.Size]byte
}

// checkHash begins and ends checks. It runs on the leader, at each tick.
func (g *group) checkHash() {
	n := g.node
	if c := g.hashing; c != nil {
		status := g.raw.BasicStatus()
		switch {
		case c.term != status.GetTerm():
			g.hashing = nil
		case c.index != 0 && len(c.hashes) == len(members(g.conf)) || n.ticks-c.began > hashWaitTicks:
			g.decideHash()
		}
		return
	}
	entries := g.sinceHash.Load()
	due := entries >= int64(n.cfg.HashCheckEntries) || entries > 0 && n.ticks-g.hashTick >= int(n.cfg.HashCheckInterval/n.cfg.TickInterval)
	if g.hashTick == 0 { // the first interval begins when the leader does
		g.hashTick = n.ticks
		return
	}
	if n.cfg.HashCheckEntries < 0 || !due || len(members(g.conf)) < 2 {
		return
	}
	g.hashTick = n.ticks
	if g.raw.Propose(encodeControl(controlCheck, g.hashCursor)) == nil {
		g.hashing = &hashCheck{term: g.raw.BasicStatus().GetTerm(), began: n.ticks, hashes: map[int32][sha256.Size]byte{}}
	}
}

// decideHash proposes what most replicas say; of equals, what the leader says.
func (g *group) decideHash() {
	c := g.hashing
	g.hashing = nil
	if len(c.hashes) < 2 {
		return
	}
	votes := map[[sha256.Size]byte]int{}
	for _, h := range c.hashes {
		votes[h]++
	}
	verdict, known := c.hashes[g.node.cfg.NodeID]
	for _, id := range members(g.conf) { // in order: every run decides alike
		if h, ok := c.hashes[NodeOf(id)]; ok && (!known || votes[h] > votes[verdict]) {
			verdict, known = h, true
		}
	}
	_ = g.raw.Propose(encodeControl(controlVerdict, append(binary.AppendUvarint(nil, c.index), verdict[:]...))) // dropped: the next check does
}

// onHash is another replica's hash.
func (g *group) onHash(from int32, b []byte) {
	index, n := binary.Uvarint(b)
	c := g.hashing
	if c == nil || n <= 0 || len(b) != n+sha256.Size {
		return
	}
	if c.index == 0 && len(c.early) < len(members(g.conf)) {
		c.early = append(c.early, func() { g.onHash(from, b) })
	}
	if c.index == index {
		c.hashes[from] = [sha256.Size]byte(b[n:])
	}
}

// applyControl handles an entry of the log itself. It runs where entries are applied, when the batch that ends with it is committed.
func (g *group) applyControl(index uint64, e controlEntry) {
	n := g.node
	switch e.kind {
	case controlCheck:
		g.sinceHash.Store(0)
		cursor := bytes.Clone(e.body)
		n.control(func() {
			g.own = ownHash{index: index}
			if c := g.hashing; c != nil && c.index == 0 {
				c.index = index
				for _, take := range c.early {
					take()
				}
			}
		})
		v, place := g.consistently(n.store.NewView)
		n.workers.Go(func() {
			select {
			case n.hashSlot <- struct{}{}: // one at a time on a node
				defer func() { <-n.hashSlot }()
				g.hashPart(v, place, index, cursor)
			case <-n.ctx.Done():
				v.Close()
			}
		})
	case controlVerdict:
		at, size := binary.Uvarint(e.body)
		if size <= 0 || len(e.body) != size+sha256.Size {
			return
		}
		verdict := [sha256.Size]byte(e.body[size:])
		n.control(func() {
			if g.own.index == at {
				g.own.verdict = &verdict
				g.compareHash()
			}
		})
	}
}

// hashPart hashes a part of a view and tells the event loop.
func (g *group) hashPart(v *pebblestore.View, place, index uint64, cursor []byte) {
	n := g.node
	began := n.cfg.Clock.Now()
	var sum [sha256.Size]byte
	var next []byte
	err := func() (err error) {
		defer recoverFailure(&err)
		defer v.Close()
		sum, next = hashFrom(func(kind byte) statestore.Reader { return v.Reader(pebblestore.Space{Group: place, Kind: kind}) }, cursor)
		return nil
	}()
	if err != nil {
		g.halt(fmt.Errorf("the state cannot be read: %w", err))
		return
	}
	n.metrics.hashed(n.cfg.Clock.Now().Sub(began))
	n.control(func() {
		g.hashCursor = next
		if g.own.index != index || g.over.Load() {
			return
		}
		g.own.hash, g.own.hashed = sum, true
		g.guard(func() { g.reportHash(index, sum) })
		g.compareHash()
	})
}

// hashFrom hashes what follows cursor, which is a kind and a key, up to the bounds; next is where the next check goes on.
func hashFrom(reader func(kind byte) statestore.Reader, cursor []byte) (sum [sha256.Size]byte, next []byte) {
	h := sha256.New()
	topic, _ := reader(kindMeta).Get(topicKey)
	h.Write(topic)
	keys, size := 0, 0
	var b []byte
	for _, kind := range snapshotKinds {
		var lo []byte
		if len(cursor) > 0 {
			if kind < cursor[0] {
				continue
			}
			if kind == cursor[0] {
				lo = cursor[1:]
			}
		}
		reader(kind).Scan(lo, nil, func(key, value []byte) bool {
			if keys >= maxHashKeys || size >= maxHashBytes {
				next = append([]byte{kind}, key...)
				return false
			}
			b = appendField(appendField(append(b[:0], kind), key), value)
			h.Write(b)
			keys, size = keys+1, size+len(b)
			return true
		})
		if next != nil {
			break
		}
	}
	h.Sum(sum[:0])
	return sum, next
}

func (g *group) reportHash(index uint64, sum [sha256.Size]byte) {
	n := g.node
	status := g.raw.BasicStatus()
	if status.RaftState == raft.StateLeader {
		if c := g.hashing; c != nil && c.index == index {
			c.hashes[n.cfg.NodeID] = sum
		}
		return
	}
	if status.Lead != raft.None {
		n.sendControl(NodeOf(status.Lead), hashMessage(g.id, index, sum))
	}
}

// compareHash halts the group when the verdict is another than this replica's hash.
func (g *group) compareHash() {
	o := g.own
	if !o.hashed || o.verdict == nil || g.over.Load() {
		return
	}
	g.own.verdict = nil
	if o.hash == *o.verdict {
		return
	}
	n := g.node
	reason := fmt.Errorf("%w: at index %d its hash is %s and that of the others %s", ErrDiverged, o.index, hex.EncodeToString(o.hash[:8]), hex.EncodeToString(o.verdict[:8]))
	g.halt(reason)
	n.workers.Go(func() { g.markDiverged(reason) })
}

var divergedKey = []byte("diverged")

// damagedKey says that the state was found damaged, and why.
var damagedKey = []byte("damaged")

// Condemn has the next start of a replica that Halted refuse its state: where it is damaged may be a place that a start does not look at.
func (n *Node) Condemn(id uint64, reason error) (err error) {
	defer recoverFailure(&err)
	if err := n.StopGroup(id); err != nil {
		return err
	}
	place := n.place(id)
	b := n.store.NewBatch()
	b.Tx(pebblestore.Space{Group: place, Kind: kindMeta}).Set(damagedKey, []byte(reason.Error()))
	b.Commit()
	return n.store.Flush()
}

// markDiverged makes a restart refuse the state, too. It is best effort: the next check finds it again.
func (g *group) markDiverged(reason error) {
	var err error
	defer func() {
		if err != nil {
			g.log.Warn("that this replica's state differs could not be saved", "error", err)
		}
	}()
	defer recoverFailure(&err)
	g.node.applies.wait(g)
	b := g.node.store.NewBatch()
	b.Tx(g.space(kindMeta)).Set(divergedKey, []byte(reason.Error()))
	b.Commit()
	err = g.node.store.Flush()
}

// defaultHashCheckInterval is some minutes of activity.
const defaultHashCheckInterval = 5 * time.Minute
