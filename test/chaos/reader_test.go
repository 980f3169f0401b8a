package chaos

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// tail reads all partitions without a group, across all lives of the server. What it once saw must stay.
type tail struct {
	client *kgo.Client
	stop   context.CancelFunc
	loop   sync.WaitGroup

	mu   sync.Mutex // guards next
	next [partitions]int64
}

func startTail(t *testing.T, h *history, address string) *tail {
	r := &tail{client: newClient(t, address, kgo.ConsumeTopics(topic), fromTheStart, neverReset)}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	r.loop.Go(func() {
		for ctx.Err() == nil {
			fetches := r.client.PollFetches(ctx)
			h.fetchErrors("tail", fetches)
			r.mu.Lock()
			fetches.EachRecord(func(record *kgo.Record) {
				if want := r.next[record.Partition]; record.Offset != want {
					h.fail("tail: partition %d: offset %d follows %d", record.Partition, record.Offset, want-1)
				}
				r.next[record.Partition] = record.Offset + 1
				h.seen("tail", record)
			})
			r.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		cancel()
		r.client.Close()
		r.loop.Wait()
	})
	return r
}

func (r *tail) at() [partitions]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.next
}

func (r *tail) finish(ctx context.Context, t *testing.T, ends [partitions]int64) {
	await(ctx, t, "the tail to read to the end", func() (any, bool) { at := r.at(); return at, at == ends })
	r.stop()
}

var (
	fromTheStart = kgo.ConsumeStartOffset(kgo.NewOffset().AtStart())
	// An offset that the server calls out of range without a reason is an error, not a silent jump.
	neverReset = kgo.ConsumeResetOffset(kgo.NoResetOffset())
)

// group is a consumer group whose members commit after each poll, and a watch over its committed offsets.
type group struct {
	name    string
	admin   *kadm.Client
	members []*kgo.Client
	stop    context.CancelFunc
	loops   sync.WaitGroup

	mu        sync.Mutex // guards what follows
	committed [partitions]int64
}

func startGroup(t *testing.T, h *history, address, name string, members int) *group {
	ctx, cancel := context.WithCancel(context.Background())
	watch := newClient(t, address)
	g := &group{name: name, admin: kadm.NewClient(watch), stop: cancel}
	for range members {
		m := newClient(t, address, kgo.ConsumeTopics(topic), kgo.ConsumerGroup(name), kgo.DisableAutoCommit(), kgo.SessionTimeout(30*time.Second),
			kgo.HeartbeatInterval(200*time.Millisecond), fromTheStart, neverReset, kgo.BlockRebalanceOnPoll())
		g.members = append(g.members, m)
		g.loops.Go(func() { g.consume(ctx, h, m) })
	}
	g.loops.Go(func() {
		for ctx.Err() == nil {
			g.watch(ctx, h)
			sleep(ctx, 50*time.Millisecond)
		}
	})
	t.Cleanup(func() {
		cancel()
		for _, m := range g.members {
			m.CloseAllowingRebalance()
		}
		watch.Close()
		g.loops.Wait()
	})
	return g
}

func (g *group) consume(ctx context.Context, h *history, m *kgo.Client) {
	for ctx.Err() == nil {
		fetches := m.PollRecords(ctx, 500)
		h.fetchErrors("group", fetches)
		fetches.EachRecord(func(record *kgo.Record) { h.seen("group", record) })
		attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
		// A commit of a generation that is over is refused, and the next owner reads the records again.
		if err := m.CommitUncommittedOffsets(attempt); err == nil {
			for partition, at := range m.CommittedOffsets()[topic] {
				g.advance(partition, at.Offset)
			}
		}
		cancel()
		m.AllowRebalance()
	}
}

// watch asks for the committed offsets as anybody would.
func (g *group) watch(ctx context.Context, h *history) {
	g.mu.Lock()
	before := g.committed
	g.mu.Unlock()
	attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	offsets, err := g.admin.FetchOffsets(attempt, g.name)
	if err != nil || offsets.Error() != nil {
		return // the server is away
	}
	for partition, low := range before {
		at, ok := offsets.Lookup(topic, int32(partition))
		if low > 0 && (!ok || at.At < low) {
			h.fail("group: the committed offset of partition %d was %d and is now %v %d", partition, low, ok, at.At)
		}
		if ok {
			g.advance(int32(partition), at.At)
		}
	}
}

// advance keeps the greatest offset that is known to be committed.
func (g *group) advance(partition int32, offset int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.committed[partition] = max(g.committed[partition], offset)
}

func (g *group) at() [partitions]int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.committed
}

// leaveTime is how long a member may take to leave a group that is at rest.
const leaveTime = 15 * time.Second

func (g *group) finish(ctx context.Context, t *testing.T, ends [partitions]int64) {
	t.Helper()
	await(ctx, t, "the group to commit the end", func() (any, bool) { at := g.at(); return at, at == ends })
	g.stop()
	for i, m := range g.members {
		left := make(chan struct{})
		go func() {
			defer close(left)
			m.CloseAllowingRebalance()
		}()
		select {
		case <-left:
		case <-time.After(leaveTime):
			described, err := g.admin.DescribeGroups(ctx, g.name)
			t.Errorf("member %d has not left its group after %s: %+v %v", i, leaveTime, described, err)
		}
	}
}

// readAll reads everything with a fresh client.
func readAll(ctx context.Context, t *testing.T, address string, ends [partitions]int64) [partitions][]*kgo.Record {
	client := newClient(t, address, kgo.ConsumeTopics(topic), fromTheStart, neverReset)
	defer client.Close()
	var all [partitions][]*kgo.Record
	missing := int64(0)
	for _, end := range ends {
		missing += end
	}
	for missing > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("reading everything: %d records are missing: %v", missing, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			all[r.Partition] = append(all[r.Partition], r)
			missing--
		})
	}
	return all
}

func endOffsets(ctx context.Context, t *testing.T, address string) (ends [partitions]int64) {
	client := newClient(t, address)
	defer client.Close()
	listed, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err = errors.Join(err, listed.Error()); err != nil {
		t.Fatal(err)
	}
	listed.Each(func(o kadm.ListedOffset) { ends[o.Partition] = o.Offset })
	return ends
}

// await asks until the answer is yes.
func await(ctx context.Context, t *testing.T, what string, done func() (any, bool)) {
	t.Helper()
	for {
		state, ok := done()
		if ok {
			return
		}
		if !sleep(ctx, 20*time.Millisecond) {
			t.Fatalf("waited for %s: %v", what, state)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
