package batchprocessor

import (
	"github.com/inkwell-project/inkwell/internal/slab"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// CommittedSink sees what was committed while it is still in memory: the Cache Manager takes it into its cache.
type CommittedSink interface {
	// ObjectCommitted is called once for each object and coordinator partition, for one coordinator partition in commit order, before any producer of it is answered. What it
	// wants to keep of the bytes it must Retain (slab.Ref); the rest of o belongs to it. It must not block. The Processor reads and writes the bytes no more, so that
	// their holder may write base offsets and append times into the batch headers.
	ObjectCommitted(o *CommittedObject)
}

// CommittedObject is one coordinator partition's part of an object.
type CommittedObject struct {
	Object      kafka.ObjectID
	ObjectBytes int64
	Coordinator int32
	Segments    []CommittedSegment
}

// CommittedSegment has the coordinates that a partition got, in offset order. It is absent if every batch was refused or a duplicate.
type CommittedSegment struct {
	Partition      kafka.TopicIDPartition
	LogStartOffset int64
	Runs           []CommittedRun
}

// CommittedRun is one coordinate and its batches, one after the other in the object though not in memory.
type CommittedRun struct {
	Coordinate rpc.Coordinate
	Batches    []slab.Ref
}

// Untold returns a channel that is closed when the sink was told of an own object that may be committed, and nil when there is nothing to wait for. Who follows
// the coordinator's topic can hear of a commit before its answer is here, and would read the object from the store although its bytes are in memory. The
// channel may stay open for ever when the Processor ends: bound the wait.
func (p *Processor) Untold(coordinator int32, id kafka.ObjectID) <-chan struct{} {
	if id.Epoch != p.cfg.BrokerEpoch {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range p.unsettled {
		if o.id != id {
			continue
		}
		for _, part := range o.parts {
			if part.coordinator == coordinator {
				return part.told
			}
		}
	}
	return nil
}

// tellSink hands on what was accepted.
func (p *Processor) tellSink(req *rpc.CommitObjectsRequest, resp *rpc.CommitObjectsResponse, parts []*part) {
	for _, part := range parts {
		defer close(part.told)
	}
	if p.deps.Sink == nil {
		return
	}
	for i, part := range parts {
		o := &CommittedObject{Object: part.object.id, ObjectBytes: part.object.objectBytes, Coordinator: req.Coordinator}
		for j, s := range part.segments {
			result := &resp.Objects[i].Segments[j]
			if runs := acceptedRuns(part.object.id, s, result); len(runs) > 0 {
				o.Segments = append(o.Segments, CommittedSegment{Partition: s.partition, LogStartOffset: result.LogStartOffset, Runs: runs})
			}
		}
		if len(o.Segments) > 0 {
			p.deps.Sink.ObjectCommitted(o)
		}
	}
}

// acceptedRuns joins neighbours in a segment as the coordinator does: a batch that was refused, or is a duplicate, lies between two coordinates.
func acceptedRuns(id kafka.ObjectID, s *segment, result *rpc.SegmentResult) (runs []CommittedRun) {
	if result.Error != 0 {
		return nil
	}
	position, joined := s.position, false
	for k := range s.entries {
		e, r := &s.entries[k], &result.Batches[k]
		bytes := int64(len(e.batch))
		if r.Error != 0 || r.Duplicate {
			position, joined = position+bytes, false
			continue
		}
		if !joined {
			runs = append(runs, CommittedRun{Coordinate: rpc.Coordinate{Object: id, Position: position, BaseOffset: r.BaseOffset, MaxTimestamp: e.batch.MaxTimestamp(), AppendTimestamp: r.AppendTimestamp}})
		}
		run := &runs[len(runs)-1]
		run.Batches = append(run.Batches, slab.Ref{Buf: e.frame, B: e.batch})
		c := &run.Coordinate
		c.Bytes += int32(bytes)
		c.LastOffset = r.BaseOffset + int64(e.batch.LastOffsetDelta())
		c.MaxTimestamp = max(c.MaxTimestamp, e.batch.MaxTimestamp())
		if r.AppendTimestamp >= 0 {
			c.MaxTimestamp = r.AppendTimestamp
		}
		c.Batches++
		position, joined = position+bytes, true
	}
	return runs
}
