package raftlog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// TestCrashesLoseNothingAcknowledged takes the disk away at random moments under load. Every acknowledged command is there afterwards, none is
// there twice, and unknown ones are there once or not at all. Small memtables and log bounds make flushes, cuts and segments part of it.
func TestCrashesLoseNothingAcknowledged(t *testing.T) {
	const groups, workers = 3, 6
	random := rand.New(rand.NewPCG(1, 2))
	var fs vfs.FS = vfs.NewCrashableMem()
	small := func(c *Config) { c.CompactBytes, c.CompactEntries, c.SegmentBytes = 16<<10, 200, 4096 }
	var mu sync.Mutex
	acknowledged, unknown := map[string]bool{}, map[string]bool{} // "group/command"
	for crash := range 8 {
		n := openNode(t, fs, small)
		logs := make([]*group, groups)
		for i := range logs {
			logs[i] = n.start(uint64(i+1), TopicConfig{RetainBytes: 4096})
			checkCounts(t, logs[i], acknowledged, unknown)
		}
		var all sync.WaitGroup
		stop, crashAt := make(chan struct{}), random.IntN(400)
		var once sync.Once
		var done int
		for w := range workers {
			all.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					g := logs[(w+i)%groups]
					command := fmt.Sprintf("%d-%d-%d", crash, w, i)
					_, err := g.Propose(context.Background(), []byte(command))
					mu.Lock()
					if key := fmt.Sprint(g.id, "/", command); err == nil {
						acknowledged[key] = true
					} else {
						unknown[key] = true
					}
					if done++; done >= crashAt {
						// Under the lock: nothing is acknowledged between the crash and the end of this process's life.
						once.Do(func() {
							fs = n.cfg.FS.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 30, 90}[crash%3], RNG: random})
							close(stop)
						})
					}
					if isStopped(stop) {
						// What came back after the crash may or may not be on the other disk.
						delete(acknowledged, fmt.Sprint(g.id, "/", command))
						unknown[fmt.Sprint(g.id, "/", command)] = true
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
		n.Close()
	}
	n := openNode(t, fs, small)
	for i := range groups {
		checkCounts(t, n.start(uint64(i+1), TopicConfig{RetainBytes: 4096}), acknowledged, unknown)
	}
	if len(acknowledged) < 200 {
		t.Fatalf("only %d commands were acknowledged", len(acknowledged))
	}
}

func isStopped(stop chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

func checkCounts(t *testing.T, g *group, acknowledged, unknown map[string]bool) {
	t.Helper()
	prefix := fmt.Sprint(g.id, "/")
	counts, there := map[string]uint64{}, uint64(0)
	g.View(func(r statestore.Reader) {
		r.Scan([]byte("c/"), []byte("c0"), func(key, value []byte) bool {
			counts[string(key[2:])] = readCount(value)
			return true
		})
	})
	check := func(set map[string]bool, least uint64) {
		for key := range set {
			if key[:len(prefix)] != prefix {
				continue
			}
			got := counts[key[len(prefix):]]
			if got < least || got > 1 {
				t.Fatalf("%s is there %d times", key, got)
			}
			there += got
		}
	}
	check(acknowledged, 1)
	check(unknown, 0)
	if total := count(g, "total"); total != there {
		t.Fatalf("group %d counted %d commands, of which %d are known", g.id, total, there)
	}
	if _, next := g.Bounds(); uint64(next) != there {
		t.Fatalf("group %d has %d records for %d commands", g.id, next, there)
	}
}

func TestCloseLeavesOutcomesUnknown(t *testing.T) {
	fs := &blockingFS{countingFS: countingFS{FS: vfs.NewMem()}, blocked: make(chan struct{}, 1), release: make(chan struct{})}
	n := openNode(t, fs, nil)
	g := n.start(1, TopicConfig{})
	fs.block.Store(true)
	errs := make(chan error, 2)
	try := func() {
		_, err := g.Propose(context.Background(), []byte("a"))
		errs <- err
	}
	go try()
	<-fs.blocked // the first is being written; the second waits in the inbox
	go try()
	for len(n.inboxProposals()) == 0 {
	}
	closed := make(chan error)
	go func() { closed <- n.Close() }()
	<-n.stop
	close(fs.release)
	var unknown, refused int
	for range 2 {
		switch err := <-errs; {
		case errors.Is(err, kafka.ErrUnknownOutcome) || err == nil:
			unknown++
		case errors.Is(err, kafka.ErrClosed):
			refused++
		default:
			t.Fatal(err)
		}
	}
	if err := <-closed; err != nil || unknown != 1 || refused != 1 {
		t.Fatal(err, unknown, refused)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Propose(context.Background(), nil); !errors.Is(err, kafka.ErrClosed) {
		t.Fatal(err)
	}
	if err := g.Wait(context.Background(), 99); !errors.Is(err, kafka.ErrClosed) {
		t.Fatal(err)
	}
}

// TestTooMuchInFlightIsRefused, and callers that give up are told that nobody knows.
func TestTooMuchInFlightIsRefused(t *testing.T) {
	fs := &blockingFS{countingFS: countingFS{FS: vfs.NewMem()}, blocked: make(chan struct{}, 1), release: make(chan struct{})}
	n := openNode(t, fs, func(c *Config) { c.MaxInFlightBytes, c.MaxCommandBytes = 1000, 800 })
	g := n.start(1, TopicConfig{})
	if _, err := g.Propose(context.Background(), make([]byte, 801)); !errors.Is(err, kerr.MessageTooLarge) {
		t.Fatal(err)
	}
	fs.block.Store(true)
	ctx, cancel := context.WithCancel(context.Background())
	first := make(chan error)
	go func() {
		_, err := g.Propose(ctx, make([]byte, 800))
		first <- err
	}()
	<-fs.blocked
	if _, err := g.Propose(context.Background(), make([]byte, 400)); !errors.Is(err, kerr.ThrottlingQuotaExceeded) {
		t.Fatal(err)
	}
	cancel()
	if err := <-first; !errors.Is(err, kafka.ErrUnknownOutcome) || !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	close(fs.release)
	if err := g.ReadBarrier(context.Background()); err != nil {
		t.Fatal(err)
	}
	propose(t, g, string(make([]byte, 400))) // there is room again
}

func (n *Node) inboxProposals() []*proposal {
	n.inbox.mu.Lock()
	defer n.inbox.mu.Unlock()
	return n.inbox.work.proposals
}

func TestHaltedGroupLeavesNeighboursAlone(t *testing.T) {
	for _, command := range []string{"halt", "panic"} {
		fs := vfs.NewMem()
		n := openNode(t, fs, nil)
		bad, good := n.start(1, TopicConfig{}), n.start(2, TopicConfig{})
		propose(t, bad, "a")
		if _, err := bad.Propose(context.Background(), []byte(command)); !errors.Is(err, kafka.ErrUnknownOutcome) {
			t.Fatal(err)
		}
		ctx := context.Background()
		_, err := bad.Propose(ctx, []byte("b"))
		_, readErr := bad.Read(0, 1)
		for _, err := range []error{err, readErr, bad.ReadBarrier(ctx), bad.Wait(ctx, 5)} {
			if !errors.Is(err, ErrHalt) || !errors.Is(err, kerr.CoordinatorNotAvailable) {
				t.Fatal(err)
			}
		}
		if bad.Leadership().IsLeader {
			t.Fatal("a halted group leads")
		}
		propose(t, good, "a")
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		// The bad command is still in the log: the group halts again, and has kept what came before.
		n = openNode(t, fs, nil)
		l, err := n.StartGroup(GroupConfig{ID: 1, Name: "topic-1", Machine: counter{}})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Wait(ctx, 5); !errors.Is(err, ErrHalt) || count(l, "total") != 1 {
			t.Fatal(err, count(l, "total"))
		}
		if propose(t, n.start(2, TopicConfig{}), "b") != 2 {
			t.Fatal("the neighbour lost something")
		}
		n.Close()
	}
}

func TestFullDiskEndsTheNode(t *testing.T) {
	fs := &countingFS{FS: vfs.NewMem()}
	n := openNode(t, fs, nil)
	g := n.start(1, TopicConfig{})
	propose(t, g, "a")
	fs.full.Store(true)
	if _, err := g.Propose(context.Background(), []byte("b")); !errors.Is(err, kafka.ErrUnknownOutcome) {
		t.Fatal(err)
	}
	if err := <-n.Failed(); !vfs.IsNoSpaceError(err) {
		t.Fatal(err)
	}
	n.Close()
	fs.full.Store(false)
	if g := openNode(t, fs, nil).start(1, TopicConfig{}); count(g, "c/a") != 1 {
		t.Fatal("an acknowledged command is gone")
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	openNode(t, fs, nil)
	_, err := Open(Config{FS: fs, Dir: "data", Rand: rand.New(rand.NewPCG(1, 1))})
	if err == nil {
		t.Fatal("two nodes share a folder")
	}
	t.Log(err)
}

func TestRemoveGroup(t *testing.T) {
	fs := vfs.NewMem()
	n := openNode(t, fs, nil)
	g := n.start(1, TopicConfig{})
	propose(t, g, "a")
	if err := n.RemoveGroup(1); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Propose(context.Background(), []byte("b")); err == nil {
		t.Fatal("a removed group serves")
	}
	n.Close()
	n = openNode(t, fs, nil)
	if g := n.start(1, TopicConfig{}); count(g, "total") != 0 {
		t.Fatal("a removed group has state")
	}
}
