package raftlog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/inkwell-project/inkwell/metadata/statestore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counter is a state machine that counts each command, so that one that is lost or applied twice shows.
type counter struct{}

func (counter) Apply(tx statestore.Tx, index uint64, command []byte) (any, []Record, error) {
	switch string(command) {
	case "halt":
		return nil, nil, fmt.Errorf("a command of version 9: %w", ErrHalt)
	case "panic":
		panic(&statestore.Failure{Op: "get", Err: errors.New("a bad sector")})
	}
	total, _ := tx.Get([]byte("total"))
	n := readCount(total) + 1
	tx.Set([]byte("total"), binary.AppendUvarint(nil, n))
	mine, _ := tx.Get(append([]byte("c/"), command...))
	tx.Set(append([]byte("c/"), command...), binary.AppendUvarint(nil, readCount(mine)+1))
	return n, []Record{{TimestampMillis: int64(n), Key: command, Value: binary.AppendUvarint(nil, n)}}, nil
}

func readCount(b []byte) uint64 {
	n, _ := binary.Uvarint(b)
	return n
}

type testNode struct {
	*Node
	t testing.TB
}

func openNode(t testing.TB, fs vfs.FS, change func(*Config)) *testNode {
	t.Helper()
	cfg := Config{NodeID: 0, FS: fs, Dir: "data", Rand: rand.New(rand.NewPCG(rand.Uint64(), 1)), StateCacheBytes: 1 << 20, StateMemTableBytes: 1 << 20}
	if os.Getenv("RAFTLOG_TEST_LOG") != "" {
		cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if change != nil {
		change(&cfg)
	}
	n, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return &testNode{n, t}
}

func (n *testNode) start(id uint64, topic TopicConfig) *group {
	n.t.Helper()
	l, err := n.StartGroup(GroupConfig{ID: id, Name: fmt.Sprintf("topic-%d", id), Machine: counter{}, Topic: topic, Voters: []int32{n.cfg.NodeID}})
	if err != nil {
		n.t.Fatal(err)
	}
	waitLeader(n.t, l)
	return l.(*group)
}

func waitLeader(t testing.TB, l Log) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		changed := l.LeadershipChanged()
		if l.Leadership().IsLeader {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("no leader: %+v", l.Leadership())
		}
	}
}

func propose(t testing.TB, l Log, command string) uint64 {
	t.Helper()
	result, err := l.Propose(context.Background(), []byte(command))
	if err != nil {
		t.Fatal(err)
	}
	return result.(uint64)
}

func count(l Log, key string) (n uint64) {
	l.View(func(r statestore.Reader) {
		value, _ := r.Get([]byte(key))
		n = readCount(value)
	})
	return n
}

func TestRestartShowsTheSame(t *testing.T) {
	fs, registry := vfs.NewMem(), prometheus.NewRegistry()
	withMetrics := func(c *Config) { c.Registerer = registry }
	n := openNode(t, fs, withMetrics)
	g := n.start(7, TopicConfig{})
	for i := range uint64(100) {
		if got := propose(t, g, fmt.Sprint("k", i%10)); got != i+1 {
			t.Fatalf("proposal %d: %d", i, got)
		}
	}
	if err := g.ReadBarrier(context.Background()); err != nil {
		t.Fatal(err)
	}
	_, before, err := g.Hash()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	n = openNode(t, fs, withMetrics)
	g = n.start(7, TopicConfig{})
	if families, err := registry.Gather(); err != nil || len(families) < 10 {
		t.Fatal(len(families), err)
	}
	if _, after, _ := g.Hash(); after != before {
		t.Fatal("the state differs after a restart")
	}
	if got := propose(t, g, "k0"); got != 101 || count(g, "c/k0") != 11 {
		t.Fatalf("the next proposal is %d, k0 %d", got, count(g, "c/k0"))
	}
	if start, next := g.Bounds(); start != 0 || next != 101 {
		t.Fatalf("bounds %d to %d", start, next)
	}
	records, err := g.Read(0, 1<<20)
	if err != nil || len(records) != 101 || records[100].Offset != 100 {
		t.Fatal(len(records), err)
	}
	if l := g.Leadership(); l.Term < 3 || l.Leader != 0 {
		t.Fatalf("%+v", l)
	}
}

// TestGroupCommit: what arrives while the log is written goes with the next write.
func TestGroupCommit(t *testing.T) {
	fs := &blockingFS{countingFS: countingFS{FS: vfs.NewMem()}, blocked: make(chan struct{}), release: make(chan struct{})}
	n := openNode(t, fs, nil)
	g := n.start(1, TopicConfig{})
	fs.block.Store(true)
	var all sync.WaitGroup
	all.Go(func() { propose(t, g, "first") })
	<-fs.blocked
	before := fs.syncs.Load()
	for i := range 1999 {
		all.Go(func() { propose(t, g, fmt.Sprint(i)) })
	}
	for arrived := 0; arrived < 1999; runtime.Gosched() {
		n.inbox.mu.Lock()
		arrived = len(n.inbox.work.proposals)
		n.inbox.mu.Unlock()
	}
	fs.release <- struct{}{}
	all.Wait()
	if syncs := fs.syncs.Load() - before; syncs > 10 { // the first one's own, and as few as the bytes of a round allow
		t.Fatalf("%d syncs for 2000 proposals", syncs)
	}
	if count(g, "total") != 2000 {
		t.Fatal(count(g, "total"))
	}
}

func (n *testNode) startMachine(id uint64, machine StateMachine) *group {
	n.t.Helper()
	l, err := n.StartGroup(GroupConfig{ID: id, Name: fmt.Sprintf("topic-%d", id), Machine: machine, Topic: TopicConfig{RetainBytes: 1 << 20}, Voters: []int32{n.cfg.NodeID}})
	if err != nil {
		n.t.Fatal(err)
	}
	waitLeader(n.t, l)
	return l.(*group)
}

// TestManyGroupsStartFast, new ones and those of a restart; and the log does not grow with what was applied.
func TestManyGroupsStartFast(t *testing.T) {
	fs := vfs.NewMem()
	for round := range 2 {
		n := openNode(t, fs, nil)
		var logs []Log
		began := time.Now()
		for id := range uint64(500) {
			l, err := n.StartGroup(GroupConfig{ID: id + 1, Name: "many", Machine: counter{}, Voters: []int32{0}})
			if err != nil {
				t.Fatal(err)
			}
			logs = append(logs, l)
		}
		for _, l := range logs {
			waitLeader(t, l)
			propose(t, l, "a")
		}
		if took := time.Since(began); took > 10*time.Second { // about 0.2 s; the race detector on a busy machine is slow
			t.Fatalf("500 groups took %v", took)
		}
		if got := count(logs[499], "total"); got != uint64(round)+1 {
			t.Fatal(got)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheLogIsCut(t *testing.T) {
	fs := vfs.NewMem()
	n := openNode(t, fs, func(c *Config) { c.CompactBytes, c.SegmentBytes = 64<<10, 16<<10 })
	n.start(1, TopicConfig{}) // it stays idle
	g := n.startMachine(2, setter{})
	for range 2000 {
		if _, err := g.Propose(context.Background(), make([]byte, 200)); err != nil {
			t.Fatal(err)
		}
	}
	n.Close()
	names, _ := fs.List("data/log")
	if len(names) > 3 {
		t.Fatalf("%d segments are left: %v", len(names), names)
	}
	n = openNode(t, fs, nil)
	if idle := n.start(1, TopicConfig{}); propose(t, idle, "a") != 1 {
		t.Fatal("the idle group changed")
	}
}
