package metadata

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
)

const (
	// statusInterval is how often each node asks each other who leads what, and for how long an answer says that it lives.
	statusInterval = time.Second
	statusTimeout  = 2 * time.Second
	aliveFor       = 4 * time.Second
)

// peers are the other nodes as this one knows them: whether they live, and who leads the groups that they hold.
type peers struct {
	clock clock.Clock
	dial  func(address string) *client.NodeClient

	mu     sync.Mutex // guards what follows
	byID   map[int32]*peer
	closed bool
}

type peer struct {
	id      int32
	address string
	client  *client.NodeClient
	cancel  context.CancelFunc
	polling sync.WaitGroup

	mu     sync.Mutex // guards what follows
	heard  time.Time
	known  uint64
	groups map[uint64]rpc.GroupStatus
}

func newPeers(c clock.Clock, dial func(address string) *client.NodeClient) *peers {
	return &peers{clock: c, dial: dial, byID: map[int32]*peer{}}
}

// set makes the peers those of addresses, by id.
func (ps *peers) set(addresses map[int32]string) {
	var gone []*peer
	ps.mu.Lock()
	for id, p := range ps.byID {
		if addresses[id] != p.address {
			gone = append(gone, p)
			delete(ps.byID, id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(addresses)) {
		if ps.byID[id] == nil && !ps.closed {
			ps.byID[id] = ps.start(id, addresses[id])
		}
	}
	ps.mu.Unlock()
	for _, p := range gone {
		p.close()
	}
}

func (ps *peers) start(id int32, address string) *peer {
	ctx, cancel := context.WithCancel(context.Background())
	p := &peer{id: id, address: address, client: ps.dial(address), cancel: cancel}
	p.polling.Go(func() { p.poll(ctx, ps.clock) })
	return p
}

func (p *peer) close() {
	p.cancel()
	_ = p.client.Close() // it has nothing to say
	p.polling.Wait()
}

func (ps *peers) close() {
	ps.mu.Lock()
	ps.closed = true
	ps.mu.Unlock()
	ps.set(nil)
}

// poll asks until ctx ends.
func (p *peer) poll(ctx context.Context, c clock.Clock) {
	for {
		p.ask(ctx, c)
		if clock.Sleep(ctx, c, statusInterval) != nil {
			return
		}
	}
}

func (p *peer) ask(ctx context.Context, c clock.Clock) {
	ctx, cancel := within(ctx, c, statusTimeout)
	defer cancel()
	p.mu.Lock()
	known := p.known
	p.mu.Unlock()
	resp, err := p.client.NodeStatus(ctx, &rpc.NodeStatusRequest{Known: known})
	if err != nil {
		return // it is not heard of, and that is all that is known
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard = c.Now()
	if resp.Version == known {
		return
	}
	p.known, p.groups = resp.Version, make(map[uint64]rpc.GroupStatus, len(resp.Groups))
	for _, g := range resp.Groups {
		p.groups[g.Group] = g
	}
}

// within is ctx that ends after d by c.
func within(ctx context.Context, c clock.Clock, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := c.AfterFunc(d, func() { cancel(context.DeadlineExceeded) })
	return ctx, func() {
		timer.Stop()
		cancel(context.Canceled)
	}
}

func (ps *peers) get(id int32) *peer {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.byID[id]
}

func (ps *peers) all() []*peer {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	out := make([]*peer, 0, len(ps.byID))
	for _, id := range slices.Sorted(maps.Keys(ps.byID)) {
		out = append(out, ps.byID[id])
	}
	return out
}

// alive says whether a node was heard of lately.
func (ps *peers) alive(id int32) bool {
	p := ps.get(id)
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.heard.IsZero() && ps.clock.Now().Sub(p.heard) < aliveFor
}

// leader is what the live peers say of a group: the status that its leader of the newest term gave, or the newest hint. ok is false if nobody knows the group.
func (ps *peers) leader(group uint64) (best rpc.GroupStatus, ok bool) {
	now := ps.clock.Now()
	for _, p := range ps.all() {
		p.mu.Lock()
		s, known := p.groups[group]
		fresh := now.Sub(p.heard) < aliveFor
		p.mu.Unlock()
		if known && fresh && (!ok || s.Term > best.Term || s.Term == best.Term && s.Leader == p.id) {
			best, ok = s, true
		}
	}
	return best, ok
}

// byLeader is what a live peer says that leads the group itself, of the newest term.
func (ps *peers) byLeader(group uint64) (best rpc.GroupStatus, ok bool) {
	now := ps.clock.Now()
	for _, p := range ps.all() {
		p.mu.Lock()
		s, known := p.groups[group]
		fresh := now.Sub(p.heard) < aliveFor
		p.mu.Unlock()
		if known && fresh && s.Leader == p.id && len(s.Voters) > 0 && (!ok || s.Term > best.Term) {
			best, ok = s, true
		}
	}
	return best, ok
}
