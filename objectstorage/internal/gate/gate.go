// Package gate lets calls into a bucket until it is closed, and lets Close wait for those that are inside.
//
// # Contract
//   - Order: Close returns after the last call that was let in has left.
//   - Bytes: none.
//   - Concurrency: safe for many callers; nothing is waited for under the lock.
//   - Failure: Enter after Close is objectstorage.ErrClosed; with an ended ctx it is the ctx's cause.
package gate

import (
	"context"
	"sync"

	"github.com/inkwell-project/inkwell/objectstorage"
)

// Gate is open when zero.
type Gate struct {
	mu     sync.Mutex // guards closed; inside.Add happens under it, so that Wait never races with the first Add
	closed bool
	inside sync.WaitGroup
}

// Enter lets a call in; each nil needs one Leave.
func (g *Gate) Enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return objectstorage.ErrClosed
	}
	g.inside.Add(1)
	return nil
}

// Leave ends a call.
func (g *Gate) Leave() { g.inside.Done() }

// Close refuses further calls, waits for those inside and says whether it was the first Close.
func (g *Gate) Close() (first bool) {
	g.mu.Lock()
	first = !g.closed
	g.closed = true
	g.mu.Unlock()
	g.inside.Wait()
	return first
}

// Errors is one error for each of n keys, the form in which DeleteMany fails as a whole.
func Errors(n int, err error) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}
