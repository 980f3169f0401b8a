package raftlog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kerr"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// cluster is some nodes in one bubble, and the network between them.
type cluster struct {
	t      *testing.T
	rand   *rand.Rand
	nodes  map[int32]*Node
	change func(*Config)
	disks  map[int32]vfs.FS
	made   map[int32]func() StateMachine // of nodes with another machine than the rest

	mu       sync.Mutex // guards everything below
	up       map[int32]*Node
	drop     func(from, to int32, m Message) bool
	messages int
	snapshot func(w io.Writer) io.Writer // around the streams of snapshots
	streams  int
}

// port is one node's end.
type port struct {
	c  *cluster
	id int32
}

func (p port) Send(messages []Message) {
	c := p.c
	for _, m := range messages {
		to := NodeOf(m.Raft.GetTo())
		c.mu.Lock()
		c.messages++
		target := c.up[to]
		if c.up[p.id] == nil || c.drop != nil && c.drop(p.id, to, m) {
			target = nil
		}
		c.mu.Unlock()
		if target != nil {
			target.Step(Message{Group: m.Group, Raft: proto.Clone(m.Raft).(*pb.Message)})
		}
	}
}

func (p port) SendSnapshot(ctx context.Context, id int32, write func(io.Writer) error) error {
	c := p.c
	c.mu.Lock()
	to, wrap := c.up[id], c.snapshot
	c.streams++
	c.mu.Unlock()
	if to == nil {
		return errors.New("it is down")
	}
	out, in := io.Pipe()
	received := make(chan error, 1)
	go func() {
		err := to.ReceiveSnapshot(ctx, p.id, out)
		out.CloseWithError(errors.Join(err, io.ErrClosedPipe))
		received <- err
	}()
	w := io.Writer(in)
	if wrap != nil {
		w = wrap(w)
	}
	err := write(w)
	in.CloseWithError(err)
	return errors.Join(err, <-received)
}

func newCluster(t *testing.T, change func(*Config), ids ...int32) *cluster {
	c := &cluster{t: t, rand: rand.New(rand.NewPCG(1, 2)), nodes: map[int32]*Node{}, up: map[int32]*Node{}, change: change, disks: map[int32]vfs.FS{}}
	for _, id := range ids {
		c.open(id)
	}
	t.Cleanup(func() {
		for _, id := range c.ids() {
			c.nodes[id].Close()
		}
	})
	return c
}

func (c *cluster) ids() (ids []int32) {
	for id := range c.nodes {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (c *cluster) open(id int32) {
	c.t.Helper()
	if c.disks[id] == nil {
		c.disks[id] = vfs.NewCrashableMem()
	}
	c.nodes[id] = openNode(c.t, c.disks[id], func(cfg *Config) {
		cfg.NodeID, cfg.Transport, cfg.Rand = id, port{c, id}, rand.New(rand.NewPCG(c.rand.Uint64(), uint64(id)))
		if c.change != nil {
			c.change(cfg)
		}
	}).Node
	c.connect(id, true)
}

func (c *cluster) connect(id int32, up bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if up {
		c.up[id] = c.nodes[id]
	} else {
		delete(c.up, id)
	}
}

// crash is the end of a process and of what its disk had not synced.
func (c *cluster) crash(id int32) {
	c.t.Helper()
	c.connect(id, false)
	disk := c.disks[id].(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: c.rand})
	if err := c.nodes[id].Close(); err != nil {
		c.t.Fatal(err)
	}
	c.disks[id] = disk
}

func (c *cluster) setDrop(drop func(from, to int32, m Message) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop = drop
}

func (c *cluster) sent() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.messages
}

func (c *cluster) config(id int32, group uint64, voters []int32) GroupConfig {
	machine := StateMachine(counter{})
	if m := c.made[id]; m != nil {
		machine = m()
	}
	return GroupConfig{ID: group, Name: fmt.Sprint("t-", group), Machine: machine, Voters: voters}
}

// start starts a group on nodes, which are its voters.
func (c *cluster) start(group uint64, ids ...int32) {
	c.t.Helper()
	for _, id := range ids {
		if _, err := c.nodes[id].StartGroup(c.config(id, group, ids)); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *cluster) log(id int32, group uint64) (g *group) {
	c.t.Helper()
	if err := c.nodes[id].do(func() { g = c.nodes[id].groups[group] }); err != nil {
		c.t.Fatal(err)
	}
	return g
}

// leader waits for a node that leads and can be reached; of two it is that of the later term.
func (c *cluster) leader(group uint64) int32 {
	c.t.Helper()
	for range 3000 {
		leader, term := int32(-1), uint64(0)
		for _, id := range c.ids() {
			c.mu.Lock()
			up := c.up[id] != nil
			c.mu.Unlock()
			if !up {
				continue
			}
			if g := c.log(id, group); g != nil {
				if l := g.Leadership(); l.IsLeader && l.Term > term {
					leader, term = id, l.Term
				}
			}
		}
		if leader >= 0 {
			return leader
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.t.Fatal("no leader within 30 seconds")
	return -1
}

// commit has whoever leads accept a command, and says how long that took. A command whose outcome is unknown is given again: it may count twice.
func (c *cluster) commit(group uint64, command string) time.Duration {
	c.t.Helper()
	began := time.Now()
	for time.Since(began) < time.Minute {
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		_, err := c.log(c.leader(group), group).Propose(ctx, []byte(command))
		cancel()
		if err == nil {
			return time.Since(began)
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.t.Fatal("nothing is accepted within a minute")
	return 0
}

// agree waits until replicas are at the same index, and compares their states.
func (c *cluster) agree(group uint64, ids ...int32) {
	c.t.Helper()
	for range 3000 {
		indexes, hashes := map[uint64]bool{}, map[string]bool{}
		for _, id := range ids {
			indexes[c.status(id, group).Applied] = true
		}
		if len(indexes) > 1 {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		clear(indexes)
		for _, id := range ids {
			index, hash, err := c.log(id, group).Hash()
			if err != nil {
				c.t.Fatal(err)
			}
			indexes[index], hashes[hash] = true, true
		}
		if len(indexes) == 1 {
			if len(hashes) != 1 {
				c.t.Fatal("the replicas differ")
			}
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	c.t.Fatal("the replicas do not come to the same index")
}

func (c *cluster) status(id int32, group uint64) Status {
	c.t.Helper()
	s, err := c.nodes[id].Status(group)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

func (c *cluster) awaitCondition(id int32, want Condition) ReplicaCondition {
	c.t.Helper()
	for range 600 {
		list, _ := c.nodes[id].Conditions()
		for _, r := range list {
			if r.Condition == want {
				return r
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	c.t.Fatalf("node %d never was %s", id, want)
	return ReplicaCondition{}
}

// TestFailover measures the time from a leader's death to the next command that is accepted: busy groups and such that rest.
func TestFailover(t *testing.T) {
	for _, rest := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, nil, 1, 2, 3)
			c.start(7, 1, 2, 3)
			var took []time.Duration
			for i := range 12 {
				c.commit(7, "a")
				if rest {
					time.Sleep(30 * time.Second)
					if s := c.status(c.leader(7), 7); !s.Quiesced {
						t.Fatal("the group does not rest")
					}
				} else {
					time.Sleep(time.Duration(c.rand.IntN(1000)) * time.Millisecond)
				}
				dead := c.leader(7)
				c.connect(dead, false)
				took = append(took, c.commit(7, fmt.Sprint(i)))
				c.connect(dead, true)
				time.Sleep(5 * time.Second)
			}
			slices.Sort(took)
			t.Logf("rest %v: median %v, most %v", rest, took[len(took)/2], took[len(took)-1])
			if took[len(took)/2] > 1500*time.Millisecond || took[len(took)-1] > 3*time.Second {
				t.Fatal(took)
			}
			c.agree(7, 1, 2, 3)
		})
	}
}

// TestNewGroupsAreLedAtOnce by their first voter.
func TestNewGroupsAreLedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, 1, 2, 3)
		began := time.Now()
		c.start(1, 2, 3, 1)
		if took := c.commit(1, "a"); took > time.Second || c.leader(1) != 2 {
			t.Fatal(took, c.leader(1), time.Since(began))
		}
	})
}

// TestOneWayPartition: a leader that is not heard, and one that does not hear, are both replaced; an isolated follower disturbs nobody.
func TestOneWayPartition(t *testing.T) {
	for name, cut := range map[string]func(leader, follower int32) func(from, to int32, _ Message) bool{
		"the leader is not heard": func(l, _ int32) func(int32, int32, Message) bool {
			return func(from, _ int32, _ Message) bool { return from == l }
		},
		"the leader does not hear": func(l, _ int32) func(int32, int32, Message) bool {
			return func(_, to int32, _ Message) bool { return to == l }
		},
		"a follower does not hear": func(_, f int32) func(int32, int32, Message) bool {
			return func(_, to int32, _ Message) bool { return to == f }
		},
		"a follower does not hear the leader": func(l, f int32) func(int32, int32, Message) bool {
			return func(from, to int32, _ Message) bool { return from == l && to == f }
		},
	} {
		for _, rest := range []bool{false, true} {
			t.Run(fmt.Sprint(name, rest), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newCluster(t, nil, 1, 2, 3)
					c.start(7, 1, 2, 3)
					c.commit(7, "a")
					if rest {
						time.Sleep(10 * time.Second)
					}
					leader := c.leader(7)
					follower := leader%3 + 1
					c.setDrop(cut(leader, follower))
					time.Sleep(4 * time.Second) // two election timeouts, and what a check of the quorum takes
					if c.commit(7, "b") > time.Second {
						t.Fatal("no leader")
					}
					now := c.leader(7)
					if cutOff := name[:3] == "the"; cutOff != (now != leader) && name[len(name)-6:] != "leader" {
						t.Fatalf("node %d led, now it is node %d", leader, now)
					}
					if l := c.log(leader, 7).Leadership(); now != leader && l.IsLeader {
						t.Fatal("the old leader believes in itself")
					}
					c.setDrop(nil)
					time.Sleep(3 * time.Second)
					c.commit(7, "c")
					c.agree(7, 1, 2, 3)
				})
			})
		}
	}
}

// TestLossyNetwork: a quarter of all messages is lost, and yet everything comes through.
func TestLossyNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, 1, 2, 3)
		random := rand.New(rand.NewPCG(3, 4))
		c.setDrop(func(int32, int32, Message) bool { return random.IntN(4) == 0 })
		c.start(7, 1, 2, 3)
		for i := range 30 {
			c.commit(7, fmt.Sprint(i))
			if i%10 == 9 {
				time.Sleep(8 * time.Second) // it rests, as far as the losses let it
			}
		}
		c.setDrop(nil)
		c.agree(7, 1, 2, 3)
	})
}

// TestRestCostsNothing: many idle groups send what one does, and wake when they are needed or when their leader's node lives and the leader does not.
func TestRestCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, 1, 2, 3)
		const groups = 30
		for id := range uint64(groups) {
			first := int32(id%3) + 1
			c.start(id+1, first, first%3+1, (first+1)%3+1)
			c.commit(id+1, "a")
		}
		time.Sleep(10 * time.Second)
		for id := range uint64(groups) {
			for _, node := range c.ids() {
				if !c.status(node, id+1).Quiesced {
					t.Fatalf("group %d does not rest on node %d", id+1, node)
				}
			}
		}
		before := c.sent()
		time.Sleep(10 * time.Second)
		if n := c.sent() - before; n > 100*6+10 {
			t.Fatalf("%d messages in 10 s", n)
		}
		if took := c.commit(5, "b"); took > 10*time.Millisecond {
			t.Fatalf("a resting group took %v to wake", took)
		}
		if err := c.log(c.leader(6), 6).ReadBarrier(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)

		// The leader of one group is stopped, and its node lives on.
		leader := c.leader(9)
		if err := c.nodes[leader].StopGroup(9); err != nil {
			t.Fatal(err)
		}
		if took := c.commit(9, "c"); took > 3*time.Second {
			t.Fatalf("a group whose leader was stopped took %v", took)
		}
		// A leader halts: its machine does not know a command.
		leader = c.leader(10)
		_, _ = c.log(leader, 10).Propose(t.Context(), []byte("halt"))
		time.Sleep(time.Second)
		if list, _ := c.nodes[leader].Conditions(); len(list) != 1 || list[0].Group != 10 || list[0].Condition != Halted {
			t.Fatal(list)
		}
	})
}

// TestRestWithoutADeadNode: a group rests although one of its nodes is away, and has it catch up when it is back.
func TestRestWithoutADeadNode(t *testing.T) {
	for _, restart := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, nil, 1, 2, 3, 4)
			c.start(7, 1, 2, 3)
			c.commit(7, "a")
			leader := c.leader(7)
			away := leader%3 + 1
			if _, err := c.nodes[4].StartGroup(c.config(4, 7, nil)); err != nil {
				t.Fatal(err)
			}
			if err := c.nodes[leader].ChangeMembers(t.Context(), 7, MemberChange{AddLearner, 4}); err != nil {
				t.Fatal(err)
			}
			for _, id := range []int32{away, 4} {
				c.agree(7, 1, 2, 3, 4)
				c.connect(id, false)
				if restart {
					c.crash(id)
				}
				time.Sleep(5 * time.Second)
				c.commit(7, "b")
				time.Sleep(10 * time.Second)
				if s := c.status(leader, 7); s.Quiesced != (id == away) {
					t.Fatalf("node %d is away: %+v", id, s)
				}
				if restart {
					c.open(id)
					c.start1(id, 7)
				}
				c.connect(id, true)
				time.Sleep(5 * time.Second)
				c.agree(7, 1, 2, 3, 4)
				if now := c.leader(7); now != leader {
					t.Fatalf("node %d, which came back, disturbed node %d: now node %d leads", id, leader, now)
				}
			}
		})
	}
}

// TestMembers: a learner is sent a snapshot while writes go on, becomes a voter, and one that is removed knows it.
func TestMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, func(cfg *Config) { cfg.KeepEntries, cfg.CompactEntries, cfg.SegmentBytes = 10, 50, 4096 }, 1, 2, 3, 4)
		c.start(7, 1, 2, 3)
		for i := range 200 {
			c.commit(7, fmt.Sprint(i))
		}
		if _, err := c.nodes[4].StartGroup(c.config(4, 7, nil)); err != nil {
			t.Fatal(err)
		}
		leader := c.leader(7)
		other := leader%3 + 1
		if err := c.nodes[other].ChangeMembers(t.Context(), 7, MemberChange{AddLearner, 4}); !errors.Is(err, kerr.NotCoordinator) {
			t.Fatal(err)
		}
		if err := c.nodes[leader].ChangeMembers(t.Context(), 7, MemberChange{Promote, 4}); !errors.Is(err, kerr.InvalidRequest) {
			t.Fatal(err)
		}
		var writer sync.WaitGroup
		stop := make(chan struct{})
		writer.Go(func() {
			for i := 0; !isStopped(stop); i++ {
				_, _ = c.log(leader, 7).Propose(t.Context(), fmt.Append(nil, i))
				time.Sleep(5 * time.Millisecond)
			}
		})
		for range 2 { // the second is there already
			if err := c.nodes[leader].ChangeMembers(t.Context(), 7, MemberChange{AddLearner, 4}); err != nil {
				t.Fatal(err)
			}
		}
		for {
			err := c.nodes[leader].ChangeMembers(t.Context(), 7, MemberChange{Promote, 4})
			if err == nil {
				break
			}
			if !errors.Is(err, ErrNotCaughtUp) && !errors.Is(err, ErrChangePending) {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		c.mu.Lock()
		streams := c.streams
		c.mu.Unlock()
		if streams == 0 {
			t.Error("no snapshot was sent")
		}
		if err := c.nodes[leader].ChangeMembers(t.Context(), 7, MemberChange{Remove, other}); err != nil {
			t.Fatal(err)
		}
		close(stop)
		writer.Wait()
		c.awaitCondition(other, Removed)
		s := c.status(leader, 7)
		if len(s.Voters) != 3 || slices.Contains(s.Voters, other) || len(s.Replicas) != 3 {
			t.Fatalf("%+v", s)
		}
		if err := c.nodes[other].RemoveGroup(7); err != nil {
			t.Fatal(err)
		}
		if list, _ := c.nodes[other].Conditions(); len(list) != 0 {
			t.Fatal(list)
		}
		c.agree(7, slices.DeleteFunc(c.ids(), func(id int32) bool { return id == other })...)
	})
}

// TestBlankReplicaDoesNotVote: a replica voted, was removed with its state, and is started again to come back. A node that missed all of that asks it for its vote in the
// term that it voted in.
func TestBlankReplicaDoesNotVote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, 1, 2, 3, 4)
		c.start(7, 1, 2, 3)
		c.commit(7, "a")
		leader := c.leader(7)
		stale, back := leader%3+1, (leader+1)%3+1
		c.setDrop(func(from, to int32, _ Message) bool { return from == stale || to == stale })
		if _, err := c.nodes[4].StartGroup(c.config(4, 7, nil)); err != nil {
			t.Fatal(err)
		}
		change := func(kind ChangeKind, id int32) {
			t.Helper()
			for range 600 {
				err := c.nodes[leader].ChangeMembers(t.Context(), 7, MemberChange{kind, id})
				if err == nil {
					return
				}
				if !errors.Is(err, ErrNotCaughtUp) && !errors.Is(err, ErrChangePending) {
					t.Fatal(err)
				}
				time.Sleep(100 * time.Millisecond)
			}
			t.Fatalf("change %v of node %d was not made within a minute", kind, id)
		}
		change(AddLearner, 4)
		change(Promote, 4)
		change(Remove, back)
		c.awaitCondition(back, Removed)
		if err := c.nodes[back].RemoveGroup(7); err != nil {
			t.Fatal(err)
		}
		c.commit(7, "b") // by the leader and node 4; the stale node knows nothing of it
		if _, err := c.nodes[back].StartGroup(c.config(back, 7, nil)); err != nil {
			t.Fatal(err)
		}
		// The two that have the command are away: nobody may lead.
		c.setDrop(func(from, to int32, _ Message) bool { return from == leader || to == leader || from == 4 || to == 4 })
		for range 300 {
			time.Sleep(100 * time.Millisecond)
			if c.log(stale, 7).Leadership().IsLeader {
				t.Fatal("a node that missed a removal leads by the vote of a blank replica")
			}
		}
		c.setDrop(nil)
		c.commit(7, "c")
		c.agree(7, leader, stale, 4)
	})
}

// TestOnlyWhoIsNoMemberIsRetired: a replica was removed, and a move brings it back before its node has deleted anything. What it has acknowledged since must stay.
func TestOnlyWhoIsNoMemberIsRetired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, 1, 2, 3, 4)
		c.start(7, 1, 2, 3, 4)
		c.commit(7, "a")
		leader := c.leader(7)
		back := leader%4 + 1
		change := func(kind ChangeKind) {
			t.Helper()
			c.changeMember(7, kind, back)
		}
		retire := func(want bool) {
			t.Helper()
			ended, err := c.nodes[back].Retire(7)
			if err != nil || ended != want {
				t.Fatalf("retired %v, %v; want %v", ended, err, want)
			}
		}
		retire(false) // a member
		change(Remove)
		c.awaitCondition(back, Removed)
		change(AddLearner)
		change(Promote)
		retire(false) // the decision came when it was none
		c.commit(7, "b")
		c.agree(7, 1, 2, 3, 4)
		change(Remove)
		c.awaitCondition(back, Removed)
		retire(true)
		retire(true) // it is ended
		if err := c.nodes[back].RemoveGroup(7); err != nil {
			t.Fatal(err)
		}
		// One that has nothing may go; one that hears no leader may, too, in time.
		if _, err := c.nodes[back].StartGroup(c.config(back, 7, nil)); err != nil {
			t.Fatal(err)
		}
		retire(true)
		if _, err := c.nodes[back].StartGroup(c.config(back, 7, nil)); err != nil {
			t.Fatal(err)
		}
		change(AddLearner)
		c.agree(7, 1, 2, 3, 4)
		c.setDrop(func(from, to int32, _ Message) bool { return from == back || to == back })
		retire(false)
		time.Sleep(4 * time.Second) // more than three election timeouts
		retire(true)
	})
}

// breakingWriter fails after so many bytes.
type breakingWriter struct {
	io.Writer
	left int
	then func()
}

func (w *breakingWriter) Write(b []byte) (int, error) {
	if w.left -= len(b); w.left < 0 {
		if w.then != nil {
			w.then()
		}
		return 0, errors.New("the stream broke")
	}
	return w.Writer.Write(b)
}

// TestCrashInASnapshot: a follower that dies while a snapshot arrives has its old state afterwards, and is sent the next.
func TestCrashInASnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, func(cfg *Config) { cfg.KeepEntries, cfg.CompactEntries, cfg.SegmentBytes = 10, 50, 64<<10 }, 1, 2, 3)
		c.start(7, 1, 2, 3)
		c.commit(7, "first")
		c.agree(7, 1, 2, 3)
		slow := c.leader(7)%3 + 1
		c.connect(slow, false)
		value := make([]byte, 40_000)
		for i := range 30 {
			binary.BigEndian.PutUint32(value, uint32(i))
			c.commit(7, string(value))
		}
		for _, bytes := range []int{100, 2_000_000} {
			failed := make(chan struct{}, 1)
			c.mu.Lock()
			c.snapshot = func(w io.Writer) io.Writer {
				return &breakingWriter{Writer: w, left: bytes, then: func() {
					select {
					case failed <- struct{}{}:
					default:
					}
				}}
			}
			c.mu.Unlock()
			c.connect(slow, true)
			<-failed
			c.crash(slow)
			c.open(slow)
			c.connect(slow, false) // not yet
			c.start1(slow, 7)
			if s := c.status(slow, 7); s.Err != nil || s.LastIndex > 5 {
				t.Fatalf("half a snapshot changed the state: %+v", s)
			}
			if groups, _ := c.nodes[slow].store.Groups(nil); slices.ContainsFunc(groups, func(id uint64) bool { return id >= firstPlace }) {
				t.Fatalf("half a snapshot is left: %v", groups)
			}
		}
		c.mu.Lock()
		c.snapshot = nil
		c.mu.Unlock()
		c.connect(slow, true)
		c.agree(7, 1, 2, 3)
		// What was installed survives a crash at once, and so does what follows it.
		c.crash(slow)
		c.commit(7, "last")
		c.open(slow)
		c.start1(slow, 7)
		c.agree(7, 1, 2, 3)
	})
}

func (c *cluster) start1(id int32, group uint64) {
	c.t.Helper()
	if _, err := c.nodes[id].StartGroup(c.config(id, group, nil)); err != nil {
		c.t.Fatal(err)
	}
}

// TestTransfer hands leaders over, one and all.
func TestTransfer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, 1, 2, 3)
		for id := range uint64(10) {
			c.start(id+1, 1, 2, 3)
			c.commit(id+1, "a")
		}
		if err := c.nodes[1].TransferLeadership(t.Context(), 1, 3); err != nil || c.leader(1) != 3 {
			t.Fatal(err, c.leader(1))
		}
		time.Sleep(10 * time.Second) // they rest
		if err := c.nodes[1].TransferLeadership(t.Context(), 1, 2); !errors.Is(err, kerr.NotCoordinator) {
			t.Fatal(err)
		}
		began := time.Now()
		if err := c.nodes[1].TransferAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Fatalf("it took %v", took)
		}
		led := map[int32]int{}
		for id := range uint64(10) {
			led[c.leader(id+1)]++
		}
		if led[1] != 0 || led[2] < 3 || led[3] < 3 {
			t.Fatal(led)
		}
		// To a dead node it fails, and this one leads on.
		c.connect(2, false)
		leader := c.leader(5)
		if leader == 2 {
			t.Skip("unlucky")
		}
		_ = c.nodes[leader].TransferLeadership(t.Context(), 5, 2)
		time.Sleep(3 * time.Second)
		c.commit(5, "b")
	})
}

// forgetful counts as counter does, and sometimes not.
type forgetful struct{ counter }

func (f forgetful) Apply(tx statestore.Tx, index uint64, command []byte) (any, []Record, error) {
	result, records, err := f.counter.Apply(tx, index, command)
	if string(command) == "forget" {
		tx.Delete([]byte("c/forget"))
	}
	return result, records, err
}

// TestReplicaThatDiffers halts alone, on a follower and on the leader, refuses to start after a crash, and is rebuilt.
func TestReplicaThatDiffers(t *testing.T) {
	for _, bad := range []int32{1, 2} { // 1 leads
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, func(cfg *Config) { cfg.HashCheckEntries = 20 }, 1, 2, 3)
			c.made = map[int32]func() StateMachine{bad: func() StateMachine { return forgetful{} }}
			c.start(7, 1, 2, 3)
			c.start(8, 1, 2, 3)
			for i := range 60 {
				c.commit(7, fmt.Sprint(i))
				c.commit(8, fmt.Sprint(i))
				time.Sleep(50 * time.Millisecond)
			}
			time.Sleep(time.Second)
			for _, id := range c.ids() {
				if list, _ := c.nodes[id].Conditions(); len(list) != 0 {
					t.Fatal(list)
				}
			}
			c.commit(7, "forget")
			for i := range 60 {
				c.commit(7, fmt.Sprint("more", i))
				time.Sleep(50 * time.Millisecond)
			}
			r := c.awaitCondition(bad, Diverged)
			if r.Group != 7 || !errors.Is(r.Err, ErrDiverged) {
				t.Fatal(r)
			}
			for _, id := range c.ids() {
				if list, _ := c.nodes[id].Conditions(); id != bad && len(list) != 0 {
					t.Fatal(list)
				}
			}
			c.commit(7, "b")
			c.commit(8, "b")

			// A restart does not serve it either.
			c.crash(bad)
			c.open(bad)
			c.start1(bad, 8)
			if _, err := c.nodes[bad].StartGroup(c.config(bad, 7, nil)); !errors.Is(err, ErrDiverged) {
				t.Fatal(err)
			}
			c.made = nil
			if _, err := c.nodes[bad].Rebuild(t.Context(), c.config(bad, 7, nil), []int32{1, 2, 3}); err != nil {
				t.Fatal(err)
			}
			c.commit(7, "d")
			c.agree(7, 1, 2, 3)
			c.agree(8, 1, 2, 3)
			if list, _ := c.nodes[bad].Conditions(); len(list) != 0 {
				t.Fatal(list)
			}
			// It votes and leads as before.
			leader := c.leader(7)
			if leader != bad {
				if err := c.nodes[leader].TransferLeadership(t.Context(), 7, bad); err != nil {
					t.Fatal(err)
				}
			}
			c.commit(7, "e")
			c.agree(7, 1, 2, 3)
		})
	}
}
