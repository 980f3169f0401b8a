package cachemanager

import (
	"github.com/inkwell-project/inkwell/internal/slab"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// CommittedObject is one coordinator partition's part of an object that this broker uploaded and committed.
type CommittedObject struct {
	Object   kafka.ObjectID
	Segments []CommittedSegment
}

// CommittedSegment has the coordinates that a partition got, in offset order.
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

// ObjectCommitted makes an own upload readable from memory and wakes who waits for it. It writes the offsets into the batches where they
// lie: nobody else may read or write them any more. What is kept of the bytes is retained. It does not block.
func (m *Manager) ObjectCommitted(o *CommittedObject) {
	m.cache.addUpload(o)
	for i := range o.Segments {
		s := &o.Segments[i]
		p := m.lookup(s.Partition)
		if p == nil {
			continue // whoever reads it first asks for its coordinates
		}
		for j := range s.Runs {
			p.committed(&s.Runs[j].Coordinate, true)
		}
	}
}

// addUpload makes a block of the upload's frames. Several segments lie in one frame, and a frame may be in two objects: each counts once.
func (c *cache) addUpload(o *CommittedObject) {
	b := &block{c: c, object: o.Object, pool: tailPool, uploaded: true, ready: alwaysReady, segments: map[place]*segment{}}
	b.refs.Store(1)
	held := map[*slab.Buffer]bool{}
	for i := range o.Segments {
		for j := range o.Segments[i].Runs {
			run := &o.Segments[i].Runs[j]
			s, err := uploadedSegment(&run.Coordinate, run.Batches)
			if err != nil { // object storage has the same bytes: the reader is told
				c.m.log.Error("an upload does not match its coordinate", "object", o.Object.Key(c.m.cfg.Cluster), "partition", o.Segments[i].Partition.String(), "error", err)
				continue
			}
			b.segments[placeOf(&run.Coordinate)] = s
			for _, ref := range run.Batches {
				if ref.Buf != nil && !held[ref.Buf] {
					held[ref.Buf] = true
					b.bufs = append(b.bufs, ref.Buf.Retain())
				}
			}
		}
	}
	if len(b.segments) == 0 {
		releaseAll(b.bufs)
		return
	}
	c.insertUpload(b)
}

func (c *cache) insertUpload(b *block) {
	var garbage []*slab.Buffer
	disowned := make([]*slab.Buffer, 0, len(b.bufs))
	c.mu.Lock()
	if c.closed {
		garbage = b.bufs
	} else {
		for _, f := range b.bufs {
			if c.frames[f]++; c.frames[f] == 1 {
				b.bytes += int64(len(f.Bytes()))
			}
			disowned = append(disowned, f)
		}
		c.pools[tailPool].used += b.bytes
		c.insert(b, demand)
		b.refs.Add(1)                          // until the frames are disowned
		c.evict(tailPool, 0, demand, &garbage) // of others first; if that is not enough, this one when it is released below
	}
	c.mu.Unlock()
	// From here on the pool's budget bounds them, and not the credits of the connections that they came from: else what is cached would be
	// taken from what producers may send.
	for _, f := range disowned {
		f.Disown()
	}
	releaseAll(garbage)
	if len(disowned) > 0 {
		c.release(b)
	}
}
