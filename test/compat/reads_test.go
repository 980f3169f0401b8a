package compat

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

const firstTime = 1_700_000_000_000

func seek(s *scenario) {
	topic := s.topic("t", 1)
	all := numbered("v", 10)
	s.produce(topic, firstTime, all...) // v0 at firstTime, v1 a second later, ...
	for _, from := range []int64{0, 3, 9} {
		s.wantValues(request{Topic: topic, Offset: ptr(from)}, all[from:]...)
	}
	s.wantValues(request{Topic: topic, Timestamp: ptr(int64(firstTime + 4000))}, all[4:]...)
	s.wantValues(request{Topic: topic, Timestamp: ptr(int64(firstTime + 4001))}, all[5:]...)
	s.wantValues(request{Topic: topic, Timestamp: ptr(int64(0))}, all...)
	// At the end of the log there is nothing, and it is no error.
	s.wantValues(request{Topic: topic, Offset: ptr(int64(10)), Reset: "none", Count: 1, TimeoutMS: 500})
	s.wantValues(request{Topic: topic, Timestamp: ptr(int64(firstTime + 9001)), Count: 1, TimeoutMS: 500})
}

func offsetsByTimestamp(s *scenario) {
	topic := s.topic("t", 1)
	s.wantOffset(topic, "earliest", 0, 0, -1)
	s.wantOffset(topic, "latest", 0, 0, -1)
	s.wantOffset(topic, "max_timestamp", 0, -1, -1)
	s.wantOffset(topic, "timestamp", firstTime, -1, -1)
	// One batch whose times are not in order, then two more batches.
	r := request{Op: "produce", Topic: topic, Config: &producerConfig{Acks: "all", Codec: "lz4", LingerMS: 50}}
	for _, at := range []int64{100, 300, 200, 300} {
		r.Records = append(r.Records, record{Value: []byte("x"), Timestamp: firstTime + at})
	}
	s.do(r)
	s.produce(topic, firstTime+250, "older")
	s.produce(topic, firstTime+400, "newest")
	for _, c := range []struct{ at, offset, timestamp int64 }{
		{0, 0, 100}, {100, 0, 100}, {101, 1, 300}, {250, 1, 300}, {300, 1, 300}, {301, 5, 400}, {400, 5, 400},
	} {
		s.wantOffset(topic, "timestamp", firstTime+c.at, c.offset, firstTime+c.timestamp)
	}
	s.wantOffset(topic, "timestamp", firstTime+401, -1, -1)
	s.wantOffset(topic, "max_timestamp", 0, 5, firstTime+400)
	s.wantOffset(topic, "earliest", 0, 0, -1)
	s.wantOffset(topic, "latest", 0, 6, -1)
}

// appendTime: what producers say of the time is forgotten, and the batches that consumers get have a checksum that fits what they were given instead.
func appendTime(s *scenario) {
	for _, codec := range []string{"none", "lz4"} {
		topic := s.topic(codec, 1, "message.timestamp.type", "LogAppendTime")
		before := time.Now().UnixMilli()
		for range 2 {
			r := request{Op: "produce", Topic: topic, Config: &producerConfig{Acks: "all", Codec: codec, LingerMS: 20}}
			for _, v := range numbered("v", 3) {
				r.Records = append(r.Records, record{Value: []byte(v), Timestamp: firstTime})
			}
			s.do(r)
		}
		after := time.Now().UnixMilli()
		got := s.do(request{Op: "read", Topic: topic, Count: 6, Offset: ptr(int64(0))}).Records
		if len(got) != 6 {
			s.Fatalf("%s: %d records, want 6", codec, len(got))
		}
		last := before
		for i, r := range got {
			if r.Timestamp < last || r.Timestamp > after {
				s.Errorf("%s: record %d has the time %d, want one of %d to %d, and none before its predecessor's %d", codec, i, r.Timestamp, before, after, last)
			}
			last = r.Timestamp
		}
		s.wantOffset(topic, "timestamp", before, 0, got[0].Timestamp)
		s.wantOffset(topic, "timestamp", after+1, -1, -1)
	}
}

func badTimes(s *scenario) {
	topic := s.topic("t", 1, "message.timestamp.before.max.ms", "3600000")
	now := time.Now().UnixMilli()
	for _, at := range []int64{now - 2*3600_000, now + 2*3600_000} {
		s.wantErr(request{Op: "produce", Topic: topic, Config: plain, Records: []record{{Value: []byte("x"), Timestamp: at}}}, kerr.InvalidTimestamp)
	}
	if offsets := s.produce(topic, now, "fine"); offsets[0] != 0 {
		s.Errorf("offset %d, want 0: what was refused must leave no gap", offsets[0])
	}
}

func outOfRange(s *scenario) {
	topic := s.topic("t", 1)
	all := numbered("v", 6)
	s.produce(topic, 0, all...)
	s.do(request{Op: "delete_records", Topic: topic, Offset: ptr(int64(2))})
	s.wantErr(request{Op: "read", Topic: topic, Offset: ptr(int64(0)), Reset: "none", Count: 1}, kerr.OffsetOutOfRange)
	s.wantErr(request{Op: "read", Topic: topic, Offset: ptr(int64(7)), Reset: "none", Count: 1}, kerr.OffsetOutOfRange)
	s.wantValues(request{Topic: topic, Offset: ptr(int64(0)), Reset: "earliest"}, all[2:]...)
	s.wantValues(request{Topic: topic, Offset: ptr(int64(100)), Reset: "earliest"}, all[2:]...)
	s.wantValues(request{Topic: topic, Offset: ptr(int64(0)), Reset: "latest", Count: 1, TimeoutMS: 500})
}
