package compat

import "github.com/twmb/franz-go/pkg/kerr"

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
