package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// kind says what a call that was sent and never answered means.
type kind bool

const (
	reads   kind = false // or is harmless to do twice
	changes kind = true
)

// fate is what became of one attempt.
type fate int

const (
	unsent   fate = iota // no byte of it left
	lost                 // it was sent and no answer came
	answered             // the error, if any, is the node's
)

// attempt makes one call on a connection.
type attempt func(ctx context.Context, conn *conn) (fate, error)

// do makes a call at the leader of a target, again and again until its outcome is known or ctx ends. find says which target that is, if that is known.
func (c *Client) do(ctx context.Context, k kind, find func() (target, bool), try attempt) error {
	began := c.cfg.Clock.Now()
	var refusing map[string]bool // the addresses that do not believe us
	for n := 0; ; n++ {
		t, p, err := c.route(ctx, find)
		if err == nil {
			var known bool
			if known, err = c.once(ctx, k, p, try); known {
				return err
			}
			if errors.Is(err, kerr.NotCoordinator) && c.refused(t, p, err) && n < mostHops {
				continue // at once: it says where to go
			}
			if errors.Is(err, kerr.SaslAuthenticationFailed) {
				if refusing == nil {
					refusing = map[string]bool{}
				}
				refusing[p.address] = true
			}
		}
		switch {
		case errors.Is(err, kafka.ErrClosed):
			return kafka.ErrClosed
		case ctx.Err() != nil && (err == nil || errors.Is(err, context.Cause(ctx))):
			return err
		case len(refusing) > 0 && len(refusing) >= len(c.routes.addresses()):
			return err
		case c.cfg.unreachable > 0 && errors.Is(err, kerr.CoordinatorNotAvailable) && c.cfg.Clock.Now().Sub(began) > c.cfg.unreachable:
			return err
		}
		c.pass()
		if ended := c.pause(ctx, n); ended != nil {
			return fmt.Errorf("%w: %w", err, ended)
		}
	}
}

// mostHops bounds how often hints are followed without a pause: two nodes may each believe in the other for a moment.
const mostHops = 3

// once makes one attempt. known says that err (or nil) is the outcome of the call.
func (c *Client) once(ctx context.Context, k kind, p *peer, try attempt) (known bool, err error) {
	conn, err := p.live(ctx)
	if err != nil {
		return false, err
	}
	f, err := try(ctx, conn)
	if conn.failed() != nil {
		c.routes.suspect(p.address)
	}
	switch {
	case err == nil:
		return true, nil
	case f == answered:
		return !again(err, k), err
	case f == lost && k == changes:
		return true, fmt.Errorf("%w: %w", err, kafka.ErrUnknownOutcome)
	case ctx.Err() != nil, errors.Is(err, kafka.ErrClosed):
		return true, err
	}
	return false, fmt.Errorf("metadata node %s: %w: %w", p.address, err, kerr.CoordinatorNotAvailable)
}

// again says that the node did nothing and that the call may find its coordinator later.
func again(err error, k kind) bool {
	if errors.Is(err, kafka.ErrUnknownOutcome) {
		return false
	}
	if errors.Is(err, kerr.NotCoordinator) {
		return true
	}
	return k == reads && (errors.Is(err, kerr.CoordinatorNotAvailable) || errors.Is(err, kerr.CoordinatorLoadInProgress) || errors.Is(err, kerr.ThrottlingQuotaExceeded))
}

// refused learns from a NOT_COORDINATOR and says whether it names another node.
func (c *Client) refused(t target, p *peer, err error) bool {
	var hint *rpc.NotLeader
	_ = errors.As(err, &hint) // nil without one
	if t == anyNode {
		return false
	}
	return c.routes.refused(t, p.address, hint)
}

// route finds the node to ask: the leader, or, where none is known, any, which says who leads or refuses.
func (c *Client) route(ctx context.Context, find func() (target, bool)) (target, *peer, error) {
	t, ok := find()
	if !ok {
		t = anyNode
	}
	if ok && t != anyNode {
		if address := c.routes.leader(t); address != "" {
			p, err := c.peer(address)
			if err != nil {
				return t, nil, err
			}
			if _, paused := p.connected(); !paused {
				return t, p, nil
			}
		}
	}
	if !ok || t.kind >= 0 {
		if err := c.findLeaders(ctx); err != nil {
			// A node that can be reached and does not say who leads is asked the call itself: it refuses with its reasons.
			if peers := c.candidates(1); ctx.Err() == nil && len(peers) > 0 {
				if yes, _ := peers[0].connected(); yes {
					return t, peers[0], nil
				}
			}
			return t, nil, err
		}
		if found, ok := find(); ok {
			t = found
		}
		if address := c.routes.leader(t); address != "" {
			p, err := c.peer(address)
			return t, p, err
		}
	}
	peers := c.candidates(1)
	if len(peers) == 0 {
		return t, nil, kafka.ErrClosed
	}
	return t, peers[0], nil
}
