package metadata

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// absent is the log of a partition that other nodes hold. It leads nowhere and says who leads, as far as the other nodes tell.
type absent struct {
	n     *Node
	group uint64
	name  string
}

var _ raftlog.Log = absent{}

func (a absent) err() error {
	return fmt.Errorf("%s is not on node %d: %w", a.name, a.n.cfg.ID, kerr.NotCoordinator)
}

// Propose implements raftlog.Log.
func (a absent) Propose(context.Context, []byte) (any, error) { return nil, a.err() }

// ReadBarrier implements raftlog.Log.
func (a absent) ReadBarrier(context.Context) error { return a.err() }

// View implements raftlog.Log: there is nothing to see.
func (a absent) View(func(statestore.Reader)) {}

// Leadership implements raftlog.Log.
func (a absent) Leadership() raftlog.Leadership {
	s, ok := a.n.peers.leader(a.group)
	if !ok {
		return raftlog.Leadership{Leader: -1}
	}
	return raftlog.Leadership{Term: s.Term, Leader: s.Leader}
}

// LeadershipChanged implements raftlog.Log. It is never told: the replica that comes here has a log of its own.
func (a absent) LeadershipChanged() <-chan struct{} { return nil }

// Bounds implements raftlog.Log.
func (a absent) Bounds() (start, highWatermark int64) { return 0, 0 }

// Read implements raftlog.Log.
func (a absent) Read(int64, int) ([]raftlog.Record, error) { return nil, a.err() }

// Wait implements raftlog.Log.
func (a absent) Wait(context.Context, int64) error { return a.err() }

// here says whether a log is a replica on this node.
func here(log raftlog.Log) bool {
	if log == nil {
		return false
	}
	_, elsewhere := log.(absent)
	return !elsewhere
}
