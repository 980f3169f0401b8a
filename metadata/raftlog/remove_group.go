package raftlog

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/statestore/pebblestore"
)

// StopGroup ends this replica; what it has stays.
func (n *Node) StopGroup(id uint64) error {
	_, err := n.stopGroup(id, func(*group) bool { return true })
	return err
}

// Retire ends this replica if it is no member of its group, and says whether it did; RemoveGroup then deletes what it has. The caller's view of the placement, which says so too, may be
// old: a move may be bringing this replica back, and what it has acknowledged since must not be deleted. So it is asked here, where the leader's messages arrive. Nobody counts
// on a replica that was told that it is no member and has heard no leader since, nor on one that has nothing; one that was told nothing must not have heard a leader for long.
func (n *Node) Retire(id uint64) (bool, error) {
	return n.stopGroup(id, func(g *group) bool {
		return !g.leads && (g.removed || g.isBlank() || g.isSilent())
	})
}

// isSilent says that this replica has heard no leader for so long that no leader counts on it.
func (g *group) isSilent() bool {
	cfg := &g.node.cfg
	return cfg.Clock.Now().Sub(g.ledAt) > time.Duration(3*cfg.ElectionTicks)*cfg.TickInterval
}

// stopGroup ends a replica if it may be ended, or is none.
func (n *Node) stopGroup(id uint64, may func(*group) bool) (stopped bool, err error) {
	var g *group
	if err := n.do(func() {
		if g = n.groups[id]; g != nil && !may(g) {
			g = nil
			return
		}
		stopped = true
		if g == nil {
			return
		}
		delete(n.groups, id)
		for i, o := range n.order {
			if o == g {
				n.order = append(n.order[:i:i], n.order[i+1:]...)
				break
			}
		}
		for _, b := range g.reads {
			applyWait{reads: b.reads}.finish(fmt.Errorf("%s: %w", g.name, kafka.ErrClosed))
		}
		g.reads = nil
		n.metrics.groups.Set(float64(len(n.order)))
		n.setCondition(g, 0, nil)
		g.end(fmt.Errorf("%w: %s was stopped: %w", kerr.CoordinatorNotAvailable, g.name, kafka.ErrClosed))
		n.onEnded(g)
	}); err != nil {
		return false, err
	}
	if g != nil {
		n.applies.wait(g)
	}
	return stopped, nil
}

// removedKind holds, under group 0, which is nobody's, the ids whose removal has begun.
const removedKind = 'r'

// RemoveGroup ends this replica and deletes what it has. A crash in between is made good at the next start.
func (n *Node) RemoveGroup(id uint64) (err error) {
	defer recoverFailure(&err)
	if err := n.StopGroup(id); err != nil {
		return err
	}
	place := n.place(id)
	b := n.store.NewBatch()
	b.DeleteGroup(place)
	b.Tx(placedSpace).Delete(offsetKey(int64(id)))
	b.Tx(pebblestore.Space{Kind: removedKind}).Set(offsetKey(int64(id)), nil)
	b.Commit()
	if err := n.store.Flush(); err != nil {
		return err
	}
	var logErr error
	if err := n.do(func() {
		if logErr = n.log.Remove(id); logErr != nil {
			n.fail(logErr)
		}
	}); err != nil || logErr != nil {
		return errors.Join(err, logErr)
	}
	n.forgetRemoval(id)
	return nil
}

func (n *Node) forgetRemoval(id uint64) {
	b := n.store.NewBatch()
	b.Tx(pebblestore.Space{Kind: removedKind}).Delete(offsetKey(int64(id)))
	b.Commit()
}

// finishRemovals does what a crash left undone.
func (n *Node) finishRemovals() (err error) {
	defer recoverFailure(&err)
	var ids []uint64
	n.view(func(v *pebblestore.View) {
		v.Reader(pebblestore.Space{Kind: removedKind}).Scan(nil, nil, func(key, _ []byte) bool {
			ids = append(ids, uint64(keyOffset(key)))
			return true
		})
	})
	for _, id := range ids {
		if err := n.log.Remove(id); err != nil {
			return err
		}
		n.forgetRemoval(id)
	}
	return nil
}
