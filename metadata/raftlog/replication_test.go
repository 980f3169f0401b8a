package raftlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kerr"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// network carries messages between the nodes of a test, in order, and drops those to and from nodes that are down.
type network struct {
	mu    sync.Mutex
	nodes map[int32]*Node
}

func (w *network) set(id int32, n *Node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nodes[id] = n
}

func (w *network) node(id int32) *Node {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.nodes[id]
}

func (w *network) Send(messages []Message) {
	for _, m := range messages {
		from, to := w.node(NodeOf(m.Raft.GetFrom())), w.node(NodeOf(m.Raft.GetTo()))
		if from == nil {
			continue
		}
		if to != nil {
			to.Step(Message{Group: m.Group, Raft: proto.Clone(m.Raft).(*pb.Message)})
		} else {
			from.ReportUnreachable(m.Group, NodeOf(m.Raft.GetTo()))
		}
	}
}

// endpoint is one node's end of the network.
type endpoint struct {
	*network
	id int32
}

// SendSnapshot carries a snapshot through a pipe.
func (w endpoint) SendSnapshot(ctx context.Context, id int32, write func(io.Writer) error) error {
	to := w.node(id)
	if to == nil {
		return errors.New("it is down")
	}
	out, in := io.Pipe()
	received := make(chan error, 1)
	go func() {
		err := to.ReceiveSnapshot(ctx, w.id, out)
		out.CloseWithError(err)
		received <- err
	}()
	err := write(in)
	in.CloseWithError(err)
	return errors.Join(err, <-received)
}

type replica struct {
	fs   vfs.FS
	node *testNode
	log  *group
}

func (w *network) open(t *testing.T, r *replica, id int32, voters []int32) {
	t.Helper()
	r.node = openNode(t, r.fs, func(c *Config) {
		c.NodeID, c.Transport, c.TickInterval = id, endpoint{w, id}, 10*time.Millisecond
		c.KeepEntries, c.CompactEntries, c.SegmentBytes = 10, 100, 4096
	})
	w.set(id, r.node.Node)
	l, err := r.node.StartGroup(GroupConfig{ID: 5, Name: "t-0", Machine: counter{}, Voters: voters})
	if err != nil {
		t.Fatal(err)
	}
	r.log = l.(*group)
}

// leaderOf waits for a leader among replicas.
func leaderOf(t *testing.T, replicas ...*replica) *replica {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	any := make(chan struct{}, 1)
	for {
		for _, r := range replicas {
			changed := r.log.LeadershipChanged()
			if r.log.Leadership().IsLeader {
				return r
			}
			go func() {
				select {
				case <-changed:
					select {
					case any <- struct{}{}:
					default:
					}
				case <-ctx.Done():
				}
			}()
		}
		select {
		case <-any:
		case <-ctx.Done():
			t.Fatal("no leader")
		}
	}
}

func proposeAll(t *testing.T, l Log, from, to int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for i := from; i < to; i++ {
		if _, err := l.Propose(ctx, fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.ReadBarrier(ctx); err != nil {
		t.Fatal(err)
	}
}

// agree waits until all replicas have so many records, and compares their states.
func agree(t *testing.T, records int64, replicas ...*replica) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var want string
	for i, r := range replicas {
		if err := r.log.Wait(ctx, records-1); err != nil {
			t.Fatalf("replica %d: %v", i, err)
		}
		_, hash, err := r.log.Hash()
		if err != nil || want != "" && hash != want {
			t.Fatalf("replica %d differs: %v", i, err)
		}
		want = hash
	}
}

// TestThreeReplicas: a leader dies and another goes on; one that was away so long that the log was cut comes back by a snapshot; a fourth joins.
func TestThreeReplicas(t *testing.T) {
	w := &network{nodes: map[int32]*Node{}}
	voters := []int32{0, 1, 2}
	replicas := []*replica{{fs: vfs.NewMem()}, {fs: vfs.NewMem()}, {fs: vfs.NewMem()}}
	for i, r := range replicas {
		w.open(t, r, int32(i), voters)
	}
	leader := leaderOf(t, replicas...)
	proposeAll(t, leader.log, 0, 50)
	agree(t, 50, replicas...)

	for _, r := range replicas {
		if r == leader {
			continue
		}
		if _, err := r.log.Propose(t.Context(), []byte("x")); !errors.Is(err, kerr.NotCoordinator) {
			t.Fatal(err)
		}
		if err := r.log.ReadBarrier(t.Context()); !errors.Is(err, kerr.NotCoordinator) {
			t.Fatal(err)
		}
		if l := r.log.Leadership(); l.IsLeader || l.Leader != leader.node.cfg.NodeID {
			t.Fatalf("%+v", l)
		}
	}

	// The leader dies.
	dead := leader.node.cfg.NodeID
	w.set(dead, nil)
	if err := leader.node.Close(); err != nil {
		t.Fatal(err)
	}
	var others []*replica
	for i, r := range replicas {
		if int32(i) != dead {
			others = append(others, r)
		}
	}
	second := leaderOf(t, others...)
	if second.log.Leadership().Leader == dead {
		t.Fatal("the dead leader leads")
	}
	proposeAll(t, second.log, 50, 600) // the log is cut several times
	agree(t, 600, others...)

	// It comes back, and needs a snapshot.
	w.open(t, leader, dead, voters)
	agree(t, 600, replicas...)
	var start uint64
	if err := leader.node.do(func() { start = leader.log.storage.Start().Index }); err != nil || start < 300 {
		t.Fatalf("the log begins behind %d, so it was not a snapshot that made up for the rest: %v", start, err)
	}

	// A fourth joins as a learner, then as a voter.
	fourth := &replica{fs: vfs.NewMem()}
	w.open(t, fourth, 3, nil)
	for _, kind := range []ChangeKind{AddLearner, Promote} {
		leader = leaderOf(t, replicas...)
		if err := leader.node.ChangeMembers(t.Context(), 5, MemberChange{kind, 3}); err != nil {
			t.Fatal(err)
		}
		_, next := leader.log.Bounds()
		proposeAll(t, leader.log, int(next), int(next)+10)
		agree(t, next+10, append(replicas, fourth)...)
	}

	// Everything is still there after all of them restarted.
	all := append(replicas, fourth)
	for i, r := range all {
		w.set(int32(i), nil)
		if err := r.node.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for i, r := range all {
		w.open(t, r, int32(i), nil)
	}
	leader = leaderOf(t, all...)
	proposeAll(t, leader.log, 1000, 1010)
	agree(t, 630, all...)
	var members int
	if err := leader.node.do(func() { members = len(leader.log.conf.GetVoters()) }); err != nil || members != 4 {
		t.Fatal(err, members)
	}
}
