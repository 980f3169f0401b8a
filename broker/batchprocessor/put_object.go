package batchprocessor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/objectstorage"
)

// errForeign is a definite failure: the key holds something else, which must not be committed as ours.
var errForeign = errors.New("the object's key is taken by other bytes")

// upload builds and PUTs one object, and then lets its parts be committed or fails them.
func (p *Processor) upload(o *object) {
	if o.tellPaced > 0 {
		p.log.Warn("storage.put.budget.per.second, not commit.interval, paces uploads: records wait longer and objects are larger; a greater budget makes producers faster",
			"object", o.id, "waited", o.tellPaced, "commit.interval", p.cfg.CommitInterval)
	}
	body := o.layout(p.cfg.Cluster)
	err := p.put(o, body)
	p.mu.Lock()
	if p.stopped || p.ctx.Err() != nil {
		p.mu.Unlock()
		return // end answers and releases
	}
	p.uploads--
	var behind []*segment
	if err == nil {
		for _, part := range o.parts {
			part.ready = true
		}
	} else {
		behind = p.refuseObject(o)
		p.dropParts(o)
	}
	for _, part := range o.parts { // of a failed object, too: others waited for it
		p.startCommit(p.coordinator(part.coordinator))
	}
	p.pump()
	p.mu.Unlock()
	if err != nil {
		p.log.Error("an object could not be uploaded; producers retry", "object", o.id, "bytes", o.objectBytes, "error", err)
		o.failAll(kerr.KafkaStorageError.Code)
		answerRefused(behind)
		p.giveBack(o)
	}
}

// put uploads the same bytes until they are there, the store refuses for good or UploadTimeout has passed.
func (p *Processor) put(o *object, body [][]byte) error {
	began := p.deps.Clock.Now()
	key := o.id.Key(p.cfg.Cluster)
	for attempt := 0; ; attempt++ {
		start := p.deps.Clock.Now()
		parent := p.ctx
		if b := p.deps.Budget; b != nil {
			if attempt > 0 {
				b.Take(start)
			}
			parent = objectstorage.WithPutRepeats(parent, func() { b.Take(p.deps.Clock.Now()) })
		}
		ctx, cancel := withTimeout(parent, p.deps.Clock, min(p.cfg.UploadAttemptTimeout, p.cfg.UploadTimeout-start.Sub(began)))
		err := p.deps.Bucket.PutIfAbsent(ctx, key, body)
		if errors.Is(err, objectstorage.ErrExists) {
			err = p.compareOwn(ctx, key, o, body[len(body)-1])
		}
		cancel()
		if err == nil {
			p.metrics.uploaded(o, p.deps.Clock.Now().Sub(start))
			return nil
		}
		if p.ctx.Err() != nil {
			return err
		}
		p.metrics.putFailures.Inc()
		wait := p.backoff(attempt)
		left := p.cfg.UploadTimeout - p.deps.Clock.Now().Sub(began)
		if errors.Is(err, objectstorage.ErrDenied) || errors.Is(err, errForeign) || wait >= left {
			return fmt.Errorf("after %d attempts: %w", attempt+1, err)
		}
		p.log.Warn("a PUT failed and is tried again", "object", o.id, "attempt", attempt+1, "error", err)
		if err := clock.Sleep(p.ctx, p.deps.Clock, wait); err != nil {
			return err
		}
	}
}

// compareOwn says whether the object that a PUT found is the one that an earlier attempt wrote: its footer, which has the CRC of every segment, is ours.
func (p *Processor) compareOwn(ctx context.Context, key string, o *object, footer []byte) error {
	there := make([]byte, len(footer))
	if err := p.deps.Bucket.GetRange(ctx, key, o.objectBytes-int64(len(footer)), there); err != nil {
		if errors.Is(err, objectstorage.ErrShortRead) {
			return errForeign
		}
		return fmt.Errorf("comparing what is stored: %w", err)
	}
	if !bytes.Equal(there, footer) {
		return errForeign
	}
	return nil
}

// backoff is the wait before attempt+1: half of it is chance, so that many do not come back together.
func (p *Processor) backoff(attempt int) time.Duration {
	d := p.cfg.MaxBackoff
	if attempt < 20 {
		d = min(d, p.cfg.MinBackoff<<attempt)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return d/2 + time.Duration(p.deps.Rand.Int64N(int64(d/2)+1))
}

// withTimeout is context.WithTimeout on the Processor's clock.
func withTimeout(ctx context.Context, c clock.Clock, d time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	t := c.AfterFunc(d, func() { cancel(context.DeadlineExceeded) })
	return ctx, func() {
		t.Stop()
		cancel(nil)
	}
}
