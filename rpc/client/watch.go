package client

import (
	"context"
	"fmt"
	"time"

	"github.com/inkwell-project/inkwell/rpc"
)

// A node that was killed closes its connections; one that is paused, or behind a broken network, does not. Where answers are due and none comes, the
// watcher asks the node something that it answers at once.

// parkedPatience is how much longer silence may last where all calls are parked: idle connections ask seldom.
const parkedPatience = 5

// watch ends the connection when the node does not answer for so long. What it answers is news of the leaders.
func (c *conn) watch(silent time.Duration, learn func(*rpc.FindLeadersResponse)) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	patience := silent / 3
	timer := c.clock.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-c.ended:
			return
		}
		if c.due(patience) {
			resp := new(rpc.FindLeadersResponse)
			asking, stop := withTimeout(ctx, c.clock, silent-patience)
			f, err := c.call(asking, false, rpc.KeyFindLeaders, nil, resp)
			stop()
			switch {
			case err == nil:
				learn(resp)
			case f != answered && !c.heardWithin(silent-patience):
				c.fail(fmt.Errorf("the node has answered nothing for %s: %w", silent, err))
				return
			}
		}
		timer.Reset(patience)
	}
}

// due says that calls wait and nothing was heard for longer than patience.
func (c *conn) due(patience time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.urgent == 0 {
		patience *= parkedPatience
	}
	return len(c.waiting) > 0 && c.clock.Now().Sub(c.heard) >= patience
}

func (c *conn) heardWithin(d time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.clock.Now().Sub(c.heard) < d
}

// call makes one private call; answer holds what the node said, also beside its error.
func (c *conn) call(ctx context.Context, parked bool, key int16, body []byte, answer rpc.Message) (fate, error) {
	b, sent, err := c.roundTrip(ctx, parked, key, 0, body)
	if err != nil {
		return fateOf(sent), err
	}
	var reply rpc.Reply
	if err := reply.Decode(b); err != nil {
		return answered, fmt.Errorf("the answer to private request %d: %w", key, err)
	}
	if err := answer.Decode(reply.Body); err != nil {
		return answered, fmt.Errorf("the answer to private request %d: %w", key, err)
	}
	return answered, reply.Err
}

func fateOf(sent bool) fate {
	if sent {
		return lost
	}
	return unsent
}
