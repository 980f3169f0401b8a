package soak

import (
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// topic is one kind of history that the jobs treat in their own way.
type topic struct {
	name       string
	partitions int32
	bytes      int // of a value
	weight     int // of a producer's records
	keys       int // of a compacted topic; 0: records without a key

	retention      time.Duration // 0: for ever
	retentionBytes int64         // of a partition; 0: no bound
	tombstones     time.Duration // delete.retention.ms
	cuts           bool          // DeleteRecords moves its start
	configs        map[string]string
}

func (t *topic) compact() bool { return t.keys > 0 }

// written names one record for ever: number counts a producer's records of one partition.
type written struct {
	producer int
	number   int64
}

const idHeader = "id"

// newRecord has its own name and checksum in a header, which every job must leave as it is.
func newRecord(t *topic, partition int32, w written, random *rand.Rand) *kgo.Record {
	r := &kgo.Record{Topic: t.name, Partition: partition}
	if t.compact() {
		r.Key = fmt.Appendf(nil, "%s-%d-key-%06d", t.name, partition, random.IntN(t.keys))
	}
	if !t.compact() || random.IntN(20) > 0 { // one of twenty deletes its key
		r.Value = make([]byte, t.bytes/2+random.IntN(t.bytes))
		for i := 0; i < len(r.Value); i += 8 { // a half of it compresses
			r.Value[i] = byte(random.Uint32())
		}
	}
	r.Headers = []kgo.RecordHeader{{Key: idHeader, Value: fmt.Appendf(nil, "%d/%d/%d", w.producer, w.number, checksum(r))}}
	return r
}

func checksum(r *kgo.Record) uint32 {
	sum := crc32.Update(crc32.ChecksumIEEE(r.Key), crc32.IEEETable, r.Value)
	if r.Value == nil {
		sum++ // no value is not an empty one
	}
	return sum
}

// readWritten checks a record against what it says of itself.
func readWritten(r *kgo.Record) (w written, sum uint32, err error) {
	if len(r.Headers) != 1 || r.Headers[0].Key != idHeader {
		return w, 0, fmt.Errorf("it has headers %v", r.Headers)
	}
	if _, err := fmt.Sscanf(string(r.Headers[0].Value), "%d/%d/%d", &w.producer, &w.number, &sum); err != nil {
		return w, 0, fmt.Errorf("its id is %q: %w", r.Headers[0].Value, err)
	}
	if got := checksum(r); got != sum {
		return w, sum, fmt.Errorf("its checksum is %08x, it was written with %08x", got, sum)
	}
	return w, sum, nil
}
