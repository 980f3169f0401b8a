package fetchresponse

import (
	"fmt"
	"net"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Versions that Append can write.
const (
	MinVersion = 4
	MaxVersion = 18
)

const (
	firstWithSession   = 7  // and a top-level error code
	firstFlexible      = 12 // compact lengths and tagged fields
	firstWithTopicID   = 13
	firstWithLogStart  = 5
	firstWithPreferred = 11 // preferred read replica
)

// encoder collects everything but records in one scratch slice; cuts remember where records go in between. The buffers are sliced out at
// the end, because the scratch may move while it grows.
type encoder struct {
	version  int16
	flexible bool
	scratch  []byte
	cuts     []cut
	pieces   int // record slices in all cuts
}

type cut struct {
	at      int
	records [][]byte
}

// Append appends resp's encoded body for resp.Version to dst. Records gives the record bytes of a partition by its place in resp as any number of slices; where it returns nil, the
// partition's own RecordBatches are written (nil for null, empty for none, as Kafka answers errors). A nil records writes all of them so.
func Append(dst net.Buffers, resp *kmsg.FetchResponse, records func(topicIndex, partitionIndex int) [][]byte) net.Buffers {
	if resp.Version < MinVersion || resp.Version > MaxVersion {
		panic(fmt.Sprintf("fetchresponse: version %d is not within %d to %d", resp.Version, MinVersion, MaxVersion))
	}
	if records == nil {
		records = func(int, int) [][]byte { return nil }
	}
	e := &encoder{version: resp.Version, flexible: resp.Version >= firstFlexible, scratch: make([]byte, 0, sizeHint(resp))}
	e.response(resp, records)
	return e.buffers(dst)
}

// sizeHint is enough for answers without tags, errors and aborted transactions.
func sizeHint(resp *kmsg.FetchResponse) int {
	n := 64
	for i := range resp.Topics {
		n += 32 + len(resp.Topics[i].Topic) + 64*len(resp.Topics[i].Partitions)
	}
	return n
}

func (e *encoder) response(resp *kmsg.FetchResponse, records func(int, int) [][]byte) {
	e.scratch = kbin.AppendInt32(e.scratch, resp.ThrottleMillis)
	if e.version >= firstWithSession {
		e.scratch = kbin.AppendInt16(e.scratch, resp.ErrorCode)
		e.scratch = kbin.AppendInt32(e.scratch, resp.SessionID)
	}
	e.arrayLen(len(resp.Topics))
	for t := range resp.Topics {
		topic := &resp.Topics[t]
		switch {
		case e.version >= firstWithTopicID:
			e.scratch = kbin.AppendUuid(e.scratch, topic.TopicID)
		case e.flexible:
			e.scratch = kbin.AppendCompactString(e.scratch, topic.Topic)
		default:
			e.scratch = kbin.AppendString(e.scratch, topic.Topic)
		}
		e.arrayLen(len(topic.Partitions))
		for p := range topic.Partitions {
			e.partition(&topic.Partitions[p], records(t, p))
		}
		e.tags(&topic.UnknownTags)
	}
	e.responseTags(resp)
}

func (e *encoder) partition(p *kmsg.FetchResponseTopicPartition, records [][]byte) {
	b := e.scratch
	b = kbin.AppendInt32(b, p.Partition)
	b = kbin.AppendInt16(b, p.ErrorCode)
	b = kbin.AppendInt64(b, p.HighWatermark)
	b = kbin.AppendInt64(b, p.LastStableOffset)
	if e.version >= firstWithLogStart {
		b = kbin.AppendInt64(b, p.LogStartOffset)
	}
	e.scratch = b
	e.abortedTransactions(p.AbortedTransactions)
	if e.version >= firstWithPreferred {
		e.scratch = kbin.AppendInt32(e.scratch, p.PreferredReadReplica)
	}
	e.records(p.RecordBatches, records)
	e.partitionTags(p)
}

func (e *encoder) abortedTransactions(aborted []kmsg.FetchResponseTopicPartitionAbortedTransaction) {
	if e.flexible {
		e.scratch = kbin.AppendCompactNullableArrayLen(e.scratch, len(aborted), aborted == nil)
	} else {
		e.scratch = kbin.AppendNullableArrayLen(e.scratch, len(aborted), aborted == nil)
	}
	for i := range aborted {
		e.scratch = kbin.AppendInt64(e.scratch, aborted[i].ProducerID)
		e.scratch = kbin.AppendInt64(e.scratch, aborted[i].FirstOffset)
		e.tags(&aborted[i].UnknownTags)
	}
}

func (e *encoder) records(own []byte, records [][]byte) {
	if records == nil {
		if own == nil {
			if e.flexible {
				e.scratch = kbin.AppendUvarint(e.scratch, 0)
			} else {
				e.scratch = kbin.AppendInt32(e.scratch, -1)
			}
			return
		}
		records = [][]byte{own}
	}
	n := 0
	for _, r := range records {
		n += len(r)
	}
	if e.flexible {
		e.scratch = kbin.AppendUvarint(e.scratch, uint32(n)+1)
	} else {
		e.scratch = kbin.AppendInt32(e.scratch, int32(n))
	}
	if n > 0 {
		e.cuts = append(e.cuts, cut{at: len(e.scratch), records: records})
		e.pieces += len(records)
	}
}

func (e *encoder) arrayLen(n int) {
	if e.flexible {
		e.scratch = kbin.AppendCompactArrayLen(e.scratch, n)
	} else {
		e.scratch = kbin.AppendArrayLen(e.scratch, n)
	}
}

// buffers slices the scratch at the cuts and puts the records between the parts. Empty slices are left out: each costs a place in a writev.
func (e *encoder) buffers(dst net.Buffers) net.Buffers {
	if need := len(dst) + len(e.cuts) + e.pieces + 1; cap(dst) < need {
		grown := make(net.Buffers, len(dst), need)
		copy(grown, dst)
		dst = grown
	}
	from := 0
	for _, c := range e.cuts {
		dst = append(dst, e.scratch[from:c.at:c.at])
		from = c.at
		for _, r := range c.records {
			if len(r) > 0 {
				dst = append(dst, r)
			}
		}
	}
	if from < len(e.scratch) {
		dst = append(dst, e.scratch[from:])
	}
	return dst
}
