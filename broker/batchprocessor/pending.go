package batchprocessor

import (
	"sync"
	"time"

	"github.com/inkwell-project/inkwell/internal/slab"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
)

// AppendRequest is what one Produce request wants to append. The Processor keeps it until it is answered, and Frame longer.
type AppendRequest struct {
	// Frame is what the batches alias; nil for memory that nobody counts.
	Frame *slab.Buffer
	// MetadataOffset is the offset of __metadata that the topics were read at.
	MetadataOffset int64
	// Deadline is when the producer gets REQUEST_TIMED_OUT at the latest, zero for Config.RequestTimeout from now.
	Deadline   time.Time
	Partitions []PartitionBatch
}

// PartitionBatch is one validated batch (recordbatch.Validate). Its header must not be written any more.
type PartitionBatch struct {
	Partition   kafka.TopicIDPartition
	Coordinator int32 // the partition of __batch_coordinates that owns Partition
	// LogAppendTime is message.timestamp.type of the topic.
	LogAppendTime bool
	Batch         recordbatch.Batch
}

// AppendResult has one result for each partition of the request, in its order.
type AppendResult struct {
	Partitions []PartitionResult
}

// PartitionResult is what the producer is told of one batch. With an error the offsets and times are -1, but for the log start of a partition that looked at the batch.
type PartitionResult struct {
	Error          int16
	BaseOffset     int64
	LogAppendTime  int64 // -1 for CreateTime
	LogStartOffset int64
}

func failed(code int16) PartitionResult {
	return PartitionResult{Error: code, BaseOffset: -1, LogAppendTime: -1, LogStartOffset: -1}
}

// pending is a request between Append and the end of all its objects.
type pending struct {
	done     func(AppendResult)
	deadline time.Time
	weight   int64 // taken from the credits

	mu        sync.Mutex
	results   []PartitionResult
	known     []bool
	unknown   int // results that are not known
	unsettled int // entries whose objects are not settled; may outlast the answer
	answered  bool
}

func newPending(req *AppendRequest, done func(AppendResult)) *pending {
	n := len(req.Partitions)
	return &pending{done: done, deadline: req.Deadline, results: make([]PartitionResult, n), known: make([]bool, n), unknown: n, unsettled: n}
}

// resolve records one result and answers when it is the last one.
func (p *pending) resolve(index int, r PartitionResult) {
	p.mu.Lock()
	if p.answered || p.known[index] {
		p.mu.Unlock()
		return
	}
	p.results[index], p.known[index] = r, true
	p.unknown--
	p.answered = p.unknown == 0
	last := p.answered
	p.mu.Unlock()
	if last {
		p.done(AppendResult{p.results})
	}
}

// expire answers now, with code for what is not known. It does nothing if the request was answered.
func (p *pending) expire(code int16) {
	p.mu.Lock()
	if p.answered {
		p.mu.Unlock()
		return
	}
	p.answered = true
	for i, known := range p.known {
		if !known {
			p.results[i] = failed(code)
		}
	}
	p.mu.Unlock()
	p.done(AppendResult{p.results})
}

func (p *pending) isAnswered() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answered
}

// settle counts n entries whose objects need their bytes no more, and returns the credit that is free now.
func (p *pending) settle(n int) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unsettled -= n
	if p.unsettled > 0 {
		return 0
	}
	return p.weight
}
