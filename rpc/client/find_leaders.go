package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

const (
	mostAsked   = 5 // nodes at a time
	findTimeout = 3 * time.Second
)

// question is one round of FindLeaders that all who need it share.
type question struct {
	answered chan struct{} // closed at the first answer, or when there is none
	err      error         // why there is none; set before answered is closed
}

// learn takes what a node says of leaders.
func (c *Client) learn(from string, resp *rpc.FindLeadersResponse) { c.routes.learn(from, resp) }

// findLeaders asks the nodes and returns at the first answer. The others' answers are taken when they come: of two the higher term counts.
func (c *Client) findLeaders(ctx context.Context) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return kafka.ErrClosed
	}
	q := c.asking
	if q == nil {
		q = &question{answered: make(chan struct{})}
		c.asking = q
		c.question.Go(func() { c.ask(q) })
	}
	c.mu.Unlock()
	select {
	case <-q.answered:
		return q.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ask runs one round.
func (c *Client) ask(q *question) {
	ctx, cancel := context.WithCancelCause(c.closing)
	defer cancel(nil)
	defer c.cfg.Clock.AfterFunc(findTimeout, func() { cancel(context.DeadlineExceeded) }).Stop()
	peers := c.candidates(mostAsked)
	results := make(chan error, len(peers))
	for _, p := range peers {
		c.question.Go(func() { results <- c.askPeer(ctx, p) })
	}
	var errs []error
	answered := false
	done := func(err error) {
		if !answered {
			answered = true
			c.mu.Lock()
			c.asking = nil // who comes now wants a new round
			c.mu.Unlock()
			q.err = err
			close(q.answered)
		}
	}
	for range peers {
		if err := <-results; err != nil {
			errs = append(errs, err)
		} else {
			done(nil)
		}
	}
	done(fmt.Errorf("no metadata node says who leads: %w", errors.Join(errs...)))
}

func (c *Client) askPeer(ctx context.Context, p *peer) error {
	conn, err := p.live(ctx)
	if err != nil {
		return err
	}
	resp := new(rpc.FindLeadersResponse)
	if _, err := conn.call(ctx, false, rpc.KeyFindLeaders, nil, resp); err != nil {
		return fmt.Errorf("metadata node %s: %w", p.address, err)
	}
	c.learn(p.address, resp)
	return nil
}

// candidates are up to most nodes to ask something of, those first that are connected and those last that failed just now.
func (c *Client) candidates(most int) []*peer {
	var connected, fresh, paused []*peer
	for _, address := range c.rotated() {
		p, err := c.peer(address)
		if err != nil {
			return nil
		}
		switch yes, failed := p.connected(); {
		case yes:
			connected = append(connected, p)
		case failed:
			paused = append(paused, p)
		default:
			fresh = append(fresh, p)
		}
	}
	all := append(append(connected, fresh...), paused...)
	return all[:min(most, len(all))]
}

// rotated are all addresses, beginning with the one that answered last.
func (c *Client) rotated() []string {
	all := c.routes.addresses()
	c.mu.Lock()
	at := c.next % max(1, len(all))
	c.mu.Unlock()
	return append(all[at:len(all):len(all)], all[:at]...)
}

// pass has calls that any node answers begin with the next one.
func (c *Client) pass() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
}

// Pauses between the attempts of one call.
const (
	firstPause = 10 * time.Millisecond
	lastPause  = 250 * time.Millisecond
)

// pause waits before attempt n+1.
func (c *Client) pause(ctx context.Context, attempt int) error {
	d := min(firstPause<<min(attempt, 10), lastPause)
	return clock.Sleep(ctx, c.cfg.Clock, time.Duration(float64(d)*(0.5+c.cfg.Jitter())))
}
