package forwarding

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

var errNewerCommit = fmt.Errorf("a newer commit of the same member came: %w", context.Canceled)

// commitOrder keeps the OffsetCommits of a group member in the order in which they came here. A connection's requests are served one after the other, so two of one member
// at a time mean that its client gave the first one up and connected again. The first, which may be waiting for a new leader, must not be sent behind the second:
// it would set the group back.
type commitOrder struct {
	mu     sync.Mutex // guards what follows
	newest map[committer]*commit
}

type committer struct{ group, id string }

// commit is one OffsetCommit that is under way.
type commit struct {
	giveUp context.CancelCauseFunc // it is not sent any more
	ended  chan struct{}
}

// enter waits until no earlier commit of the member is under way, after telling it to give up. Until leave is called the member's next commit waits. Waits between
// attempts end with patience. Other requests, and commits of nobody, are not ordered.
func (o *commitOrder) enter(ctx context.Context, req kmsg.Request) (patience context.Context, leave func(), err error) {
	m, ok := req.(*kmsg.OffsetCommitRequest)
	if !ok || m.MemberID == "" {
		return ctx, func() {}, nil
	}
	key := committer{m.Group, m.MemberID}
	c := &commit{ended: make(chan struct{})}
	patience, c.giveUp = context.WithCancelCause(ctx)
	o.mu.Lock()
	before := o.newest[key]
	if o.newest == nil {
		o.newest = map[committer]*commit{}
	}
	o.newest[key] = c
	o.mu.Unlock()
	end := func() {
		c.giveUp(context.Canceled)
		o.mu.Lock()
		if o.newest[key] == c {
			delete(o.newest, key)
		}
		o.mu.Unlock()
		close(c.ended)
	}
	if before == nil {
		return patience, end, nil
	}
	before.giveUp(errNewerCommit)
	select {
	case <-before.ended:
		if patience.Err() == nil {
			return patience, end, nil
		}
		end()
	case <-patience.Done():
		// Whoever waits for this one waits for the one before it, too.
		go func() {
			<-before.ended
			end()
		}()
	}
	return nil, nil, context.Cause(patience)
}
