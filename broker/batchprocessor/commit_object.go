package batchprocessor

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/rpc"
)

// coordinator orders the commits of one partition of __batch_coordinates. Guarded by Processor.mu.
type coordinator struct {
	id       int32
	parts    []*part // closed and not yet offered, in order of sequence
	inFlight bool
	blocked  map[kafka.TopicIDPartition]struct{} // reused by take
}

// coordinator is called with mu.
func (p *Processor) coordinator(id int32) *coordinator {
	c := p.coordinators[id]
	if c == nil {
		c = &coordinator{id: id, blocked: make(map[kafka.TopicIDPartition]struct{})}
		p.coordinators[id] = c
	}
	return c
}

// take removes the parts that may be offered now: those that are uploaded and share no partition with an earlier one that stays. A part that
// stays holds its partitions against all later ones, and so on.
func (c *coordinator) take(most int) (taken []*part) {
	clear(c.blocked)
	stay := c.parts[:0]
	for _, p := range c.parts {
		if p.ready && len(taken) < most && !c.conflicts(p) {
			if p.hasRefused() {
				p.segments = p.withoutRefused()
			}
			taken = append(taken, p)
			continue
		}
		for _, s := range p.segments {
			c.blocked[s.partition] = struct{}{}
		}
		stay = append(stay, p)
	}
	clear(c.parts[len(stay):])
	c.parts = stay
	return taken
}

func (c *coordinator) conflicts(p *part) bool {
	if len(c.blocked) == 0 {
		return false
	}
	return slices.ContainsFunc(p.segments, func(s *segment) bool {
		_, blocked := c.blocked[s.partition]
		return blocked
	})
}

// startCommit is called with mu whenever a part of c became ready or a call ended.
func (p *Processor) startCommit(c *coordinator) {
	if c.inFlight || p.stopped {
		return
	}
	parts := c.take(p.cfg.MaxCommitObjects)
	if len(parts) == 0 {
		return
	}
	c.inFlight = true
	below := p.acknowledgedBelow()
	p.work(func() { p.commit(c, parts, below) })
}

// dropParts takes a failed object out of the pipeline. Called with mu.
func (p *Processor) dropParts(o *object) {
	for _, failed := range o.parts {
		c := p.coordinator(failed.coordinator)
		c.parts = slices.DeleteFunc(c.parts, func(other *part) bool { return other == failed })
	}
	p.forget(o)
}

// forget removes an object whose outcome is known. Called with mu.
func (p *Processor) forget(o *object) {
	if i := slices.Index(p.unsettled, o); i >= 0 {
		p.unsettled = slices.Delete(p.unsettled, i, i+1)
	}
	p.checkDrained()
}

// commit offers parts to their coordinator and asks until it knows the outcome.
func (p *Processor) commit(c *coordinator, parts []*part, acknowledgedBelow int64) {
	req := p.commitRequest(c.id, parts, acknowledgedBelow)
	resp, ok := p.ask(req)
	if !ok {
		return // end answers and releases
	}
	p.tellSink(req, resp, parts)
	p.mu.Lock()
	c.inFlight = false
	var settled []*object
	for _, part := range parts {
		if part.object.unsettled--; part.object.unsettled == 0 {
			settled = append(settled, part.object)
		}
	}
	if !p.stopped {
		for _, o := range settled {
			p.forget(o)
		}
	} else {
		settled = nil // end has them in its hands
	}
	p.lastSuccess = p.deps.Clock.Now()
	for _, o := range settled {
		p.returns.answered(o.ended(), p.lastSuccess.Add(p.cfg.ReturnWait))
	}
	p.startCommit(c) // before the answers: they take time
	p.pump()         // the open object may have waited for this commit
	p.mu.Unlock()
	for i, part := range parts {
		answer(part, &resp.Objects[i])
	}
	for _, o := range settled {
		p.giveBack(o)
	}
}

func (p *Processor) commitRequest(coordinator int32, parts []*part, acknowledgedBelow int64) *rpc.CommitObjectsRequest {
	req := &rpc.CommitObjectsRequest{
		Coordinator: coordinator, Broker: p.cfg.Broker, BrokerEpoch: p.cfg.BrokerEpoch,
		AcknowledgedBelow: acknowledgedBelow,
		Objects:           make([]rpc.ObjectCommit, len(parts)),
	}
	for i, part := range parts {
		o := part.object
		req.MetadataOffset = max(req.MetadataOffset, o.metadataOffset)
		segments := make([]rpc.SegmentCommit, len(part.segments))
		for j, s := range part.segments {
			segments[j] = rpc.SegmentCommit{Partition: s.partition, Position: s.position, LogAppendTime: s.logAppendTime, Batches: batchCommits(s)}
		}
		req.Objects[i] = rpc.ObjectCommit{Object: o.id, ObjectBytes: o.objectBytes, Coordinators: o.coordinators, Segments: segments}
	}
	return req
}

func batchCommits(s *segment) []rpc.BatchCommit {
	batches := make([]rpc.BatchCommit, len(s.entries))
	for i := range s.entries {
		b := s.entries[i].batch
		batches[i] = rpc.BatchCommit{
			Bytes: int32(len(b)), Records: b.LastOffsetDelta() + 1, MaxTimestamp: b.MaxTimestamp(),
			ProducerID: b.ProducerID(), ProducerEpoch: b.ProducerEpoch(), BaseSequence: b.BaseSequence(),
		}
		if b.ProducerID() < 0 { // as Kafka: every negative id is none, whatever the other fields say
			batches[i].ProducerID, batches[i].ProducerEpoch, batches[i].BaseSequence = recordbatch.NoProducerID, recordbatch.NoProducerEpoch, recordbatch.NoSequence
		}
	}
	return batches
}

// ask sends one request until its outcome is known. False says that the Processor has ended.
func (p *Processor) ask(req *rpc.CommitObjectsRequest) (*rpc.CommitObjectsResponse, bool) {
	began := p.deps.Clock.Now()
	for attempt := 0; ; attempt++ {
		ctx, cancel := withTimeout(p.ctx, p.deps.Clock, p.cfg.CommitAttemptTimeout)
		resp, err := p.deps.Committer.CommitObjects(ctx, req)
		cancel()
		if err == nil {
			err = checkResponse(req, resp)
		}
		switch {
		case err == nil:
			p.metrics.committed(len(req.Objects), p.deps.Clock.Now().Sub(began))
			return resp, true
		case errors.Is(err, kerr.StaleBrokerEpoch):
			p.fence(err)
			return nil, false
		case p.ctx.Err() != nil:
			return nil, false
		}
		// Whatever it says, a call before this one may have gone through: only an answer settles an object.
		p.metrics.commitFailures.Inc()
		wait := p.backoff(attempt)
		p.log.Warn("a commit's outcome is not known and is asked for again", "coordinator", req.Coordinator, "object", req.Objects[0].Object,
			"objects", len(req.Objects), "attempt", attempt+1, "wait", wait.Round(time.Millisecond), "error", err)
		if clock.Sleep(p.ctx, p.deps.Clock, wait) != nil {
			return nil, false
		}
	}
}

// checkResponse finds answers that do not fit the request, before anything is done with them.
func checkResponse(req *rpc.CommitObjectsRequest, resp *rpc.CommitObjectsResponse) error {
	if len(resp.Objects) != len(req.Objects) {
		return fmt.Errorf("the answer has %d objects, want %d", len(resp.Objects), len(req.Objects))
	}
	for i := range req.Objects {
		asked, got := req.Objects[i].Segments, resp.Objects[i].Segments
		if len(got) != len(asked) {
			return fmt.Errorf("the answer has %d segments of object %v, want %d", len(got), req.Objects[i].Object, len(asked))
		}
		for j := range asked {
			if got[j].Error == 0 && len(got[j].Batches) != len(asked[j].Batches) {
				return fmt.Errorf("the answer has %d batches of %v in object %v, want %d", len(got[j].Batches), asked[j].Partition, req.Objects[i].Object, len(asked[j].Batches))
			}
		}
	}
	return nil
}

// fence ends the Processor because its epoch is fenced.
func (p *Processor) fence(err error) {
	p.mu.Lock()
	first := p.ctx.Err() == nil
	p.cancel(errFenced)
	p.mu.Unlock()
	if !first {
		return
	}
	p.log.Error("the broker's epoch is fenced; its clients retry elsewhere until it has registered anew", "error", err)
	if p.deps.Fenced != nil {
		p.deps.Fenced(err)
	}
}

// answer gives every batch of a part its result.
func answer(part *part, result *rpc.ObjectResult) {
	for j, s := range part.segments {
		sr := &result.Segments[j]
		for k := range s.entries {
			e := &s.entries[k]
			if sr.Error != 0 {
				e.pending.resolve(e.index, failed(sr.Error))
				continue
			}
			e.pending.resolve(e.index, partitionResult(&sr.Batches[k], sr.LogStartOffset))
		}
	}
}

func partitionResult(b *rpc.BatchResult, logStartOffset int64) PartitionResult {
	switch {
	case b.Error != 0:
		r := failed(b.Error)
		r.LogStartOffset = logStartOffset
		return r
	case b.Duplicate && b.BaseOffset < 0: // producers take this code for success without an offset
		return failed(kerr.DuplicateSequenceNumber.Code)
	}
	return PartitionResult{BaseOffset: b.BaseOffset, LogAppendTime: b.AppendTimestamp, LogStartOffset: logStartOffset}
}
