package faulty

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/internal/gate"
)

// ErrInjected is the error of faults that name none. It is retriable.
var ErrInjected = errors.New("injected fault")

// Op is a method of a bucket; Any is all of them.
type Op int

// The methods.
const (
	Any Op = iota
	Put
	Get
	Head
	List
	Delete
	opCount
)

// Latency is added before a call is done: at least Min, and evenly spread up to Max if that is more.
type Latency struct{ Min, Max time.Duration }

// Config is what holds for all calls.
type Config struct {
	// Clock is clock.System by default.
	Clock clock.Clock
	// Rand returns numbers in [0, 1), to many callers at once. rand.Float64 by default.
	Rand func() float64
	// Latency by method; that of Any is for methods without their own.
	Latency map[Op]Latency
	// ErrorRate is the share of calls, 0 to 1, that fail at random, half of them after they were done.
	ErrorRate float64
}

// Bucket passes calls on to another one, except where a fault says otherwise.
type Bucket struct {
	inner objectstorage.Bucket
	clock clock.Clock
	rand  func() float64

	mu        sync.Mutex // guards what follows
	latency   map[Op]Latency
	errorRate float64
	rules     []*Rule
	calls     [opCount]int // since New; [Any] counts all
	failed    int
}

// New wraps inner; Close closes it.
func New(inner objectstorage.Bucket, cfg Config) *Bucket {
	b := &Bucket{inner: inner, clock: cfg.Clock, rand: cfg.Rand, latency: map[Op]Latency{}, errorRate: cfg.ErrorRate}
	if b.clock == nil {
		b.clock = clock.System
	}
	if b.rand == nil {
		b.rand = rand.Float64
	}
	for op, l := range cfg.Latency {
		b.latency[op] = l
	}
	return b
}

// Calls is how many calls of op arrived, failed ones included.
func (b *Bucket) Calls(op Op) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls[op]
}

// Failed is how many calls met a fault.
func (b *Bucket) Failed() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed
}

// SetLatency changes the latency of later calls.
func (b *Bucket) SetLatency(op Op, l Latency) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.latency[op] = l
}

// PutIfAbsent implements objectstorage.Bucket.
func (b *Bucket) PutIfAbsent(ctx context.Context, key string, body [][]byte) error {
	return b.call(ctx, Put, key, func(*Fault) error { return b.inner.PutIfAbsent(ctx, key, body) })
}

// GetRange implements objectstorage.Bucket.
func (b *Bucket) GetRange(ctx context.Context, key string, offset int64, dst []byte) error {
	return b.call(ctx, Get, key, func(f *Fault) error {
		n := len(dst)
		if f != nil && f.Short && n > 0 {
			n /= 2
		}
		if err := b.inner.GetRange(ctx, key, offset, dst[:n]); err != nil {
			return err
		}
		if f != nil && f.Corrupt && n > 0 {
			dst[n/2] ^= 0x40
		}
		if n < len(dst) {
			return fmt.Errorf("get %s: %d of %d bytes: %w", key, n, len(dst), objectstorage.ErrShortRead)
		}
		return nil
	})
}

// Head implements objectstorage.Bucket.
func (b *Bucket) Head(ctx context.Context, key string) (info objectstorage.Info, err error) {
	err = b.call(ctx, Head, key, func(*Fault) (err error) {
		info, err = b.inner.Head(ctx, key)
		return err
	})
	return info, err
}

// List implements objectstorage.Bucket.
func (b *Bucket) List(ctx context.Context, prefix, startAfter string, max int) (infos []objectstorage.Info, err error) {
	err = b.call(ctx, List, prefix, func(f *Fault) (err error) {
		infos, err = b.inner.List(ctx, prefix, startAfter, max)
		if f != nil && f.Short {
			infos = infos[:len(infos)/2]
		}
		return err
	})
	if err != nil {
		infos = nil
	}
	return infos, err
}

// DeleteMany implements objectstorage.Bucket. A short one removes the first half of the keys and fails the others.
func (b *Bucket) DeleteMany(ctx context.Context, keys []string) (errs []error) {
	first := ""
	if len(keys) > 0 {
		first = keys[0]
	}
	err := b.call(ctx, Delete, first, func(f *Fault) error {
		n := len(keys)
		if f != nil && f.Short {
			n /= 2
		}
		errs = append(b.inner.DeleteMany(ctx, keys[:n]), gate.Errors(len(keys)-n, ErrInjected)...)
		return nil
	})
	if err != nil {
		return gate.Errors(len(keys), err)
	}
	return errs
}

// String implements objectstorage.Bucket.
func (b *Bucket) String() string { return b.inner.String() }

// Close implements objectstorage.Bucket.
func (b *Bucket) Close() error { return b.inner.Close() }
