package batchprocessor

import (
	"slices"
	"time"

	"github.com/inkwell-project/inkwell/internal/slab"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/objectformat"
)

// object is one object from its first batch until every coordinator has said what became of it.
type object struct {
	id       kafka.ObjectID // set when it is closed
	opened   time.Time
	bytes    int64 // of batches
	batches  int
	segments map[kafka.TopicIDPartition]*segment // nothing changes once closed
	parts    []*part
	requests []held
	// deadline is the earliest of the requests that may be unanswered.
	deadline time.Time
	// metadataOffset is the greatest of the requests'.
	metadataOffset int64
	// continues: it begins with the rest of a request, whose producer is not answered before both objects are committed. isContinued is said of the first of the two.
	continues, isContinued bool

	heldBack  bool          // by the PUT budget, for a while
	tellPaced time.Duration // how long that took, if the upload shall tell

	// Written by the upload before the object is ready.
	objectBytes  int64
	coordinators []int32

	unsettled int // parts
}

// held is a request with entries in an object. Each holds one reference to the frame.
type held struct {
	pending *pending
	frame   *slab.Buffer
	entries int
}

// part is what one coordinator partition gets to commit of an object.
type part struct {
	object      *object
	coordinator int32
	segments    []*segment    // in the order of their first batch until the object is closed; sorted by the upload
	ready       bool          // uploaded; guarded by Processor.mu
	told        chan struct{} // closed when the sink has what was committed
}

// segment is one partition's batches in an object.
type segment struct {
	partition     kafka.TopicIDPartition
	logAppendTime bool
	entries       []entry
	position      int64
	refused       bool // not to be committed, see refuseObject; guarded by Processor.mu
}

// entry is one batch and where its result goes.
type entry struct {
	batch   recordbatch.Batch
	frame   *slab.Buffer
	pending *pending
	index   int // in the request
}

func newObject(now time.Time) *object {
	return &object{opened: now, segments: make(map[kafka.TopicIDPartition]*segment)}
}

// add appends a batch of a request. A topic whose timestamp type changed in between gets a mixed segment the type of the first batch; the change
// takes effect with the next object.
func (o *object) add(pb *PartitionBatch, frame *slab.Buffer, p *pending, index int) {
	s := o.segments[pb.Partition]
	if s == nil {
		s = &segment{partition: pb.Partition, logAppendTime: pb.LogAppendTime}
		o.segments[pb.Partition] = s
		part := o.part(pb.Coordinator)
		part.segments = append(part.segments, s)
	}
	s.entries = append(s.entries, entry{batch: pb.Batch, frame: frame, pending: p, index: index})
	o.bytes += int64(len(pb.Batch))
	o.batches++
	if n := len(o.requests); n > 0 && o.requests[n-1].pending == p {
		o.requests[n-1].entries++
		return
	}
	if frame != nil {
		frame.Retain()
	}
	o.requests = append(o.requests, held{pending: p, frame: frame, entries: 1})
	if o.deadline.IsZero() || p.deadline.Before(o.deadline) {
		o.deadline = p.deadline
	}
}

func (o *object) part(coordinator int32) *part {
	for _, p := range o.parts { // few
		if p.coordinator == coordinator {
			return p
		}
	}
	p := &part{object: o, coordinator: coordinator, told: make(chan struct{})}
	o.parts = append(o.parts, p)
	return p
}

// layout sorts the segments and builds the bytes around the batches. It runs once, without a lock, on the upload's goroutine: the parts'
// segment slices are not sorted in place because the commit order looks at them meanwhile.
func (o *object) layout(cluster kafka.ClusterID) [][]byte {
	sorted := make([]*segment, 0, len(o.segments))
	for _, p := range o.parts {
		sorted = append(sorted, p.segments...)
		o.coordinators = append(o.coordinators, p.coordinator)
	}
	slices.SortFunc(sorted, func(a, b *segment) int { return objectformat.Compare(a.partition, b.partition) })
	slices.Sort(o.coordinators)
	w := objectformat.NewWriter(cluster, o.id, o.batches)
	for _, s := range sorted {
		w.Begin(s.partition)
		for i := range s.entries {
			if at := w.Add(s.entries[i].batch); i == 0 {
				s.position = at
			}
		}
	}
	body, _, bytes := w.Finish()
	o.objectBytes = bytes
	return body
}

// ended is the number of requests whose last batch is in the object.
func (o *object) ended() int {
	if o.isContinued {
		return len(o.requests) - 1
	}
	return len(o.requests)
}

// failAll resolves every result of the object that is not known.
func (o *object) failAll(code int16) {
	for _, p := range o.parts {
		for _, s := range p.segments {
			for i := range s.entries {
				s.entries[i].pending.resolve(s.entries[i].index, failed(code))
			}
		}
	}
}

// release gives the frames back and returns the credit that is free again.
func (o *object) release() (credit int64) {
	for _, h := range o.requests {
		credit += h.pending.settle(h.entries)
		if h.frame != nil {
			h.frame.Release()
		}
	}
	o.requests = nil
	return credit
}
