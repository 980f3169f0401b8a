package compat

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

func createTopics(s *scenario) {
	topic := s.topic("t", 3, "retention.ms", "3600000")
	s.until("the new topic's partitions", func() string {
		if a, err := s.try(request{Op: "partitions", Topic: topic}); err != nil || a.Partitions != 3 {
			return fmt.Sprint(a.Partitions, err)
		}
		return ""
	})
	s.wantErr(request{Op: "create_topic", Topic: topic, Parts: 3}, kerr.TopicAlreadyExists)
	s.wantErr(request{Op: "create_topic", Topic: "no/such name", Parts: 1}, kerr.InvalidTopicException)
	s.wantErr(request{Op: "create_topic", Topic: strings.Repeat("n", 250), Parts: 1}, kerr.InvalidTopicException)
	s.wantErr(request{Op: "create_topic", Topic: topic + ".c", Parts: 1, Configs: map[string]string{"no.such.config": "1"}}, kerr.InvalidConfig)
	s.wantErr(request{Op: "create_topic", Topic: topic + ".c", Parts: 1, Configs: map[string]string{"retention.ms": "soon"}}, kerr.InvalidConfig)
	s.wantErr(request{Op: "create_topic", Topic: strings.ReplaceAll(topic, ".", "_"), Parts: 1}, kerr.InvalidTopicException) // would collide in metric names
}

// incompressible is the worst case of sizes: n random bytes.
func incompressible(n int) []byte {
	b := make([]byte, n)
	rnd := rand.New(rand.NewPCG(uint64(n), 1))
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}

func produceEverything(s *scenario) {
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		for _, idempotent := range []bool{false, true} {
			topic := s.topic(codec+map[bool]string{false: "", true: ".idempotent"}[idempotent], 1)
			const t0 = 1_700_000_000_000
			records := []record{
				{Key: []byte("k"), Value: []byte("v"), Timestamp: t0},
				{Key: nil, Value: []byte("null key"), Timestamp: t0 + 5},
				{Key: []byte("null value"), Value: nil, Timestamp: t0 + 1},
				{Key: []byte{}, Value: []byte{}, Timestamp: t0 + 7},
				{Value: []byte("headers"), Timestamp: t0 + 8, Headers: []header{{"a", []byte("1")}, {"a", []byte("2")}, {"empty", []byte{}}, {"null", nil}, {"ünïcode", []byte{0, 255}}}},
				{Key: []byte{0, 255}, Value: incompressible(1), Timestamp: t0 + 9},
				{Value: incompressible(1_000), Timestamp: t0 + 10},
				{Value: []byte(strings.Repeat("compressible ", 10_000)), Timestamp: t0 + 11},
				{Value: incompressible(300_000), Timestamp: t0 + 12},
				{Value: incompressible(1_000_000), Timestamp: t0 + 13},
			}
			offsets := s.do(request{Op: "produce", Topic: topic, Records: records, Config: &producerConfig{Acks: "all", Codec: codec, Idempotent: idempotent, LingerMS: 5}}).Offsets
			for i, o := range offsets {
				if o != int64(i) {
					s.Errorf("%s: offsets %v, want 0 to %d", topic, offsets, len(records)-1)
					break
				}
			}
			got := s.do(request{Op: "read", Topic: topic, Count: len(records), Offset: ptr(int64(0))}).Records
			s.wantOffset(topic, "latest", 0, int64(len(records)), -1)
			if len(got) != len(records) {
				s.Errorf("%s: read %d records, want %d", topic, len(got), len(records))
				continue
			}
			for i := range got {
				if d := got[i].differs(records[i]); d != "" {
					s.Errorf("%s: record %d: %s", topic, i, d)
				}
			}
		}
	}
}

func acks(s *scenario) {
	for _, acks := range []string{"0", "1", "all"} {
		topic := s.topic("acks-"+acks, 1)
		var want []string
		for _, v := range numbered("v", 5) {
			offsets := s.do(request{Op: "produce", Topic: topic, Records: []record{{Value: []byte(v)}}, Config: &producerConfig{Acks: acks, Codec: "none"}}).Offsets
			expect := int64(len(want))
			if acks == "0" {
				expect = -1
			}
			if len(offsets) != 1 || offsets[0] != expect {
				s.Errorf("acks=%s: offsets %v, want %d", acks, offsets, expect)
			}
			want = append(want, v)
		}
		s.wantValues(request{Topic: topic, Offset: ptr(int64(0))}, want...)
	}
}

func autoCreation(s *scenario) {
	topic := s.prefix + ".auto"
	if offsets := s.produce(topic, 0, "first"); len(offsets) != 1 || offsets[0] != 0 {
		s.Errorf("offsets %v, want 0", offsets)
	}
	if n := s.do(request{Op: "partitions", Topic: topic}).Partitions; n != 1 {
		s.Errorf("%d partitions, want Kafka's default of 1", n)
	}
	s.wantValues(request{Topic: topic}, "first")
}

func deleteRecords(s *scenario) {
	topic := s.topic("t", 1)
	s.produce(topic, 0, numbered("v", 10)...)
	if low := s.do(request{Op: "delete_records", Topic: topic, Offset: ptr(int64(4))}).Offset; low != 4 {
		s.Errorf("low watermark %d, want 4", low)
	}
	s.wantOffset(topic, "earliest", 0, 4, -1)
	s.wantOffset(topic, "latest", 0, 10, -1)
	s.wantValues(request{Topic: topic}, numbered("v", 10)[4:]...)
	s.wantErr(request{Op: "delete_records", Topic: topic, Offset: ptr(int64(11))}, kerr.OffsetOutOfRange)
	if low := s.do(request{Op: "delete_records", Topic: topic, Offset: ptr(int64(2))}).Offset; low != 4 {
		s.Errorf("deleting below the log start: low watermark %d, want 4", low)
	}
	if low := s.do(request{Op: "delete_records", Topic: topic, Offset: ptr(int64(-1))}).Offset; low != 10 {
		s.Errorf("deleting to the high watermark: low watermark %d, want 10", low)
	}
	s.wantOffset(topic, "earliest", 0, 10, -1)
	if offsets := s.produce(topic, 0, "after"); offsets[0] != 10 {
		s.Errorf("offset %d after deletion, want 10", offsets[0])
	}
	s.wantValues(request{Topic: topic}, "after")
}

func unknownTopic(s *scenario) {
	topic := s.prefix + ".never"
	s.wantErr(request{Op: "partitions", Topic: topic}, kerr.UnknownTopicOrPartition)
	s.wantErr(request{Op: "delete_topic", Topic: topic}, kerr.UnknownTopicOrPartition)
	topic = s.topic("gone", 1)
	s.do(request{Op: "delete_topic", Topic: topic})
	s.wantErrSoon(request{Op: "partitions", Topic: topic}, kerr.UnknownTopicOrPartition)
}

func tooLarge(s *scenario) {
	topic := s.topic("t", 1, "max.message.bytes", "2000")
	s.wantErr(request{Op: "produce", Topic: topic, Config: plain, Records: []record{{Value: incompressible(5_000)}}}, kerr.MessageTooLarge)
	s.wantErr(request{Op: "produce", Topic: topic, Config: &producerConfig{Acks: "all", Codec: "none", Idempotent: true}, Records: []record{{Value: incompressible(5_000)}}}, kerr.MessageTooLarge)
	if offsets := s.produce(topic, 0, "fits"); offsets[0] != 0 {
		s.Errorf("offset %d, want 0: the record that was refused must leave no gap", offsets[0])
	}
	// Compressed, the same number of bytes may fit.
	s.do(request{Op: "produce", Topic: topic, Config: &producerConfig{Acks: "all", Codec: "gzip"}, Records: []record{{Value: []byte(strings.Repeat("a", 5_000))}}})
}

func recreate(s *scenario) {
	topic := s.topic("t", 1)
	for round := range 3 {
		for _, idempotent := range []bool{false, true} { // producers that outlive the topic
			// All in one batch: it fails and is sent again as a whole.
			r := request{Op: "produce", Topic: topic, Config: &producerConfig{Acks: "all", Codec: "none", Idempotent: idempotent, LingerMS: 100, Number: 1}}
			if s.client == "franz-go" {
				r.Config.Number += round // a client of franz-go never takes a new topic for an old one of the same name
			}
			for _, v := range numbered("r", round+2) {
				r.Records = append(r.Records, record{Value: []byte(v)})
			}
			s.until("produce to a recreated topic", func() string {
				if _, err := s.try(r); err != nil {
					return err.Error() // clients find out about the new topic in their own time
				}
				return ""
			})
		}
		want := append(numbered("r", round+2), numbered("r", round+2)...)
		s.wantValues(request{Topic: topic}, want...)
		s.wantOffset(topic, "latest", 0, int64(len(want)), -1) // and nothing else
		old := s.topicID(topic)
		s.do(request{Op: "delete_topic", Topic: topic})
		// A producer that asks for the topic's metadata in between creates it, with the same one partition.
		if _, err := s.try(request{Op: "create_topic", Topic: topic, Parts: 1}); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			s.Fatal(err)
		}
		// Until Kafka's broker has heard of the deletion it takes records for the old topic.
		s.until("the new topic", func() string {
			if id := s.topicID(topic); id == old || id == (kadm.TopicID{}) {
				return "the broker does not know it"
			}
			return ""
		})
	}
}
