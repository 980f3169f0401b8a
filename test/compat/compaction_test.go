package compat

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

// What makes compaction come within a second. Other scenarios run meanwhile and must not notice.
var (
	// Records of scenarios are years old: retention, which both look at every five minutes, Kafka half a minute after its start, too, would take them in a run that is slow.
	kafkaJobs   = []string{"log.cleaner.backoff.ms=200", "log.retention.check.interval.ms=86400000", "log.initial.task.delay.ms=86400000"}
	inkwellJobs = []string{
		"--log.cleaner.backoff", "200ms", "--compaction.merge.max.age", "300ms", "--compaction.merge.objects", "8", "--compaction.partition.coordinates", "4", "--object.delete.delay", "5s",
		"--log.retention.check.interval", "24h",
	}
)

// compacted is a topic of one partition that both systems compact as soon as they can: Kafka leaves the active segment alone, which is over after one second of record time.
func (s *scenario) compacted(name string, configs ...string) *keyed {
	topic := s.topic(name, 1, append([]string{"cleanup.policy", "compact", "segment.ms", "1000", "min.cleanable.dirty.ratio", "0.01"}, configs...)...)
	return &keyed{s: s, topic: topic, random: rand.New(rand.NewPCG(4, 7)), latest: map[string]record{}}
}

// keyed is the history of a compacted topic.
type keyed struct {
	s      *scenario
	topic  string
	random *rand.Rand // of the same seed for each system: all are given the same input
	at     int64
	latest map[string]record
}

// endKey is the key of records that only end a segment.
const endKey = "end"

// write has n records of a few keys, one of ten a tombstone, in requests of up to seven.
func (k *keyed) write(n int) {
	k.s.Helper()
	for n > 0 {
		batch := min(1+k.random.IntN(7), n)
		n -= batch
		var records []record
		for range batch {
			r := record{Key: fmt.Appendf(nil, "key %d", k.random.IntN(20)), Value: fmt.Appendf(nil, "value %d %s", k.random.IntN(1000), strings.Repeat("x", k.random.IntN(400)))}
			if k.random.IntN(10) == 0 {
				r.Value = nil
			}
			records = append(records, r)
		}
		k.send(records)
	}
	k.end()
}

func (k *keyed) end() {
	k.s.Helper()
	k.send([]record{{Key: []byte(endKey), Value: []byte("of a segment")}})
}

func (k *keyed) send(records []record) {
	k.s.Helper()
	k.at += 2000
	for i := range records {
		records[i].Timestamp = firstTime + k.at
	}
	codec := []string{"none", "lz4", "zstd"}[k.random.IntN(3)]
	offsets := k.s.do(request{Op: "produce", Topic: k.topic, Records: records, Config: &producerConfig{Acks: "all", Codec: codec, LingerMS: 5}}).Offsets
	for i, r := range records {
		r.Offset = offsets[i]
		k.latest[string(r.Key)] = r
	}
}

// converge waits until a reader is given the latest record of each key, at its offset, and nothing else. A system that keeps what it could remove, or removes what it
// must keep, never gets there.
func (k *keyed) converge(tombstones bool) {
	k.s.Helper()
	var want []record
	for key, r := range k.latest {
		if key != endKey && (tombstones || r.Value != nil) {
			want = append(want, r)
		}
	}
	slices.SortFunc(want, func(a, b record) int { return int(a.Offset - b.Offset) })
	if len(want) < 10 {
		k.s.Fatalf("%d keys are left of the input, too few to tell anything", len(want))
	}
	k.s.until("compaction of "+k.topic, func() string {
		if !tombstones {
			k.end() // tombstones go when their segment is cleaned once more
		}
		end := k.latest[endKey].Offset
		var got []record
		for from := int64(0); from <= end; {
			records := k.s.do(request{Op: "read", Topic: k.topic, Offset: &from, Count: 1000, TimeoutMS: 500}).Records
			if len(records) == 0 {
				return fmt.Sprintf("nothing from offset %d on, the end is %d", from, end+1)
			}
			got, from = append(got, records...), records[len(records)-1].Offset+1
		}
		got = slices.DeleteFunc(got, func(r record) bool { return string(r.Key) == endKey })
		for i := range min(len(got), len(want)) {
			if got[i].Offset != want[i].Offset {
				return fmt.Sprintf("%d records, want %d; record %d is of offset %d, want %d", len(got), len(want), i, got[i].Offset, want[i].Offset)
			}
			if d := got[i].differs(want[i]); d != "" {
				k.s.Fatalf("offset %d: %s", got[i].Offset, d)
			}
		}
		if len(got) != len(want) {
			return fmt.Sprintf("%d records, want %d", len(got), len(want))
		}
		return ""
	})
}

// keyCompaction: both systems are given the same keyed input and end with the same records at the same offsets, in several rounds.
func keyCompaction(s *scenario) {
	k := s.compacted("kept") // tombstones stay for delete.retention.ms, a day
	k.write(200)
	k.converge(true)
	k.write(60)
	k.converge(true)

	k = s.compacted("gone", "delete.retention.ms", "1")
	k.write(150)
	k.converge(false)

	s.wantErr(request{Op: "produce", Topic: k.topic, Records: []record{{Value: []byte("without a key")}}, Config: plain}, kerr.InvalidRecord)
}
