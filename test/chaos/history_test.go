package chaos

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// place is one offset of one partition.
type place struct {
	partition int32
	offset    int64
}

// history is what the clients were told.
type history struct {
	t       *testing.T
	cluster string
	load    load
	began   time.Time

	mu       sync.Mutex // guards what follows
	acked    map[written]int64
	count    [producers][partitions]int // written by each producer, once it is known
	observed map[place]uint32           // checksum of what a reader saw there
	lastAck  time.Time                  // when a record was last acknowledged
	longest  time.Duration              // between two acknowledgements
	failures int
}

func newHistory(t *testing.T) *history {
	return &history{t: t, cluster: "one", load: load{60, 2000, 30 * time.Millisecond}, began: time.Now(), acked: map[written]int64{}, observed: map[place]uint32{}}
}

func (h *history) say(format string, args ...any) {
	h.t.Helper()
	h.t.Logf("%6.2fs %s", time.Since(h.began).Seconds(), fmt.Sprintf(format, args...))
}

// fail records a broken promise; the story goes on, for what happens next often explains it.
func (h *history) fail(format string, args ...any) {
	h.mu.Lock()
	h.failures++
	n := h.failures
	h.mu.Unlock()
	if n <= 20 {
		h.t.Errorf("%6.2fs %s", time.Since(h.began).Seconds(), fmt.Sprintf(format, args...))
	}
}

func (h *history) acknowledged(w written, r *kgo.Record, err error) {
	if errors.Is(err, kgo.ErrClientClosed) {
		return // a story that ended early
	}
	if err != nil {
		h.fail("record %s was refused: %v", w.key(), err)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.acked[w] = r.Offset
	now := time.Now()
	if !h.lastAck.IsZero() {
		h.longest = max(h.longest, now.Sub(h.lastAck))
	}
	h.lastAck = now
}

// acks is how many records are acknowledged.
func (h *history) acks() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.acked)
}

func (h *history) wrote(producer int, next [partitions]int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count[producer] = next
}

// seen checks a record that a reader got against what others got at the same offset.
func (h *history) seen(who string, r *kgo.Record) {
	sum := checksum(r)
	at := place{r.Partition, r.Offset}
	h.mu.Lock()
	before, ok := h.observed[at]
	h.observed[at] = sum
	h.mu.Unlock()
	if ok && before != sum {
		h.fail("%s: partition %d offset %d is %s now, it was something else before", who, r.Partition, r.Offset, r.Key)
	}
}

func checksum(r *kgo.Record) uint32 {
	return crc32.Update(crc32.ChecksumIEEE(r.Key), crc32.IEEETable, r.Value)
}

// fetchErrors refuses errors that a client would not recover from by asking again.
func (h *history) fetchErrors(who string, fetches kgo.Fetches) {
	fetches.EachError(func(_ string, partition int32, err error) {
		var code *kerr.Error
		var lost *kgo.ErrDataLoss
		switch {
		case errors.Is(err, context.Canceled), errors.Is(err, kgo.ErrClientClosed):
		case errors.As(err, &lost), errors.As(err, &code) && !code.Retriable, errors.Is(err, kerr.OffsetOutOfRange):
			h.fail("%s: partition %d: %v", who, partition, err)
		}
	})
}

// verify compares everything that was told with everything that is there.
func (h *history) verify(t *testing.T, all [partitions][]*kgo.Record, ends [partitions]int64) {
	h.mu.Lock()
	acked, count, observed := h.acked, h.count, h.observed
	h.mu.Unlock()
	total := 0
	for partition, records := range all {
		total += len(records)
		var next [producers]int
		for i, r := range records {
			if r.Offset != int64(i) {
				h.fail("partition %d: offset %d is in the place of %d", partition, r.Offset, i)
			}
			w, err := parseWritten(r.Key)
			if err != nil || w.partition != partition || w.cluster != h.cluster {
				h.fail("partition %d offset %d holds %q", partition, r.Offset, r.Key)
				continue
			}
			if w.number != next[w.producer] {
				h.fail("partition %d offset %d: producer %d's record %d follows its %d", partition, r.Offset, w.producer, w.number, next[w.producer]-1)
			}
			next[w.producer] = w.number + 1
			if offset, ok := acked[w]; ok && offset != r.Offset {
				h.fail("record %s was acknowledged at offset %d and is at %d", r.Key, offset, r.Offset)
			}
			if sum, ok := observed[place{r.Partition, r.Offset}]; ok && sum != checksum(r) {
				h.fail("partition %d offset %d is not what a reader saw before", partition, r.Offset)
			}
		}
		for producer := range next {
			if next[producer] != count[producer][partition] {
				h.fail("partition %d: producer %d wrote %d records, the last that is there is %d", partition, producer, count[producer][partition], next[producer]-1)
			}
		}
		if int64(len(records)) != ends[partition] {
			h.fail("partition %d has %d records below its end offset %d", partition, len(records), ends[partition])
		}
	}
	written := 0
	for _, byPartition := range count {
		for _, n := range byPartition {
			written += n
		}
	}
	if written != len(acked) || total != written {
		h.fail("%d records were written, %d acknowledged, %d are there", written, len(acked), total)
	}
	for at := range observed {
		if at.offset >= ends[at.partition] {
			h.fail("a reader saw partition %d offset %d, beyond the end", at.partition, at.offset)
		}
	}
	h.say("%d records, %d of them seen by readers on the way", total, len(observed))
}
