package state

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/metadata/statestore/memstore"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// TestScenarios runs the stories in testdata/scenarios. Topics are single letters; an object is <epoch>-<sequence>. A commit's
// input has a line for each object (object 7-0 bytes=...), segment (segment t/0 pos=0 log-append-time) and batch
// (batch records=3 bytes=100 ts=1000 producer=42 epoch=0 seq=0).
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata/scenarios", func(t *testing.T, path string) {
		s := &scenario{t: t, store: memstore.New(), machine: New(), index: 1, work: map[int64]*rpc.RequestWorkResponse{}}
		datadriven.RunTest(t, path, s.run)
	})
}

type scenario struct {
	t       *testing.T
	store   *memstore.Store
	machine *Machine
	index   uint64
	out     strings.Builder
	work    map[int64]*rpc.RequestWorkResponse // by lease, as it was granted
}

func (s *scenario) printf(format string, args ...any) { fmt.Fprintf(&s.out, format, args...) }

func (s *scenario) run(t *testing.T, d *datadriven.TestData) string {
	s.t = t
	s.out.Reset()
	a := scenarioArgs{d}
	switch d.Cmd {
	case "commit":
		s.commit(d, a)
	case "delete-records":
		r := s.apply(a.num("now", 0), &DeleteRecords{MaxCoordinates: a.num("max", 100), Partitions: []rpc.DeleteRecords{{Partition: a.partition(), Before: a.num("before", -1)}}}).(DeleteRecordsResult)
		s.printf("%s log-start=%d%s\n", code(r.Partitions[0].Error), r.Partitions[0].LogStartOffset, flag(r.More, " more"))
	case "retention":
		r := s.apply(a.num("now", 0), &ApplyRetention{MaxCoordinates: a.num("max", 100), Partitions: []PartitionRetention{
			{Partition: a.partition(), Cutoff: a.num("cutoff", -1), MaxBytes: a.num("max-bytes", -1)}}}).(RetentionResult)
		s.printf("removed coordinates=%d bytes=%d%s\n", r.Coordinates, r.Bytes, flag(r.More, " more"))
	case "delete-topic":
		r := s.apply(a.num("now", 0), &DeleteTopic{ID: a.topic(), MaxCoordinates: a.num("max", 100)}).(DeleteTopicResult)
		s.printf("ok%s\n", flag(r.More, " more"))
	case "fence":
		c := &FenceBrokers{MetadataOffset: a.num("as-of", 0)}
		for _, v := range a.list("live") {
			broker, epoch, _ := strings.Cut(v, ":")
			c.Live = append(c.Live, BrokerEpoch{int32(atoi(broker)), atoi(epoch)})
		}
		c.SweepAfterMillis = a.num("sweep", 0)
		s.printf("fenced %d\n", s.apply(a.num("now", 0), c).(FenceResult).Fenced)
	case "lease":
		s.lease(a)
	case "complete":
		c := &CompleteWork{Broker: int32(a.num("broker", 1)), BrokerEpoch: a.num("broker-epoch", 7), Lease: a.num("lease", 0), RetryMillis: a.num("retry", 0)}
		for _, v := range a.list("deleted") {
			c.Deleted = append(c.Deleted, parseObject(v))
		}
		r := s.apply(a.num("now", 0), c).(CompleteResult)
		if r.Err != nil {
			return r.Err.Message + "\n"
		}
		s.printf("deleted=%d returned=%d\n", r.Deleted, r.Returned)
	case "expire-producers":
		expired, _ := ExpiredProducers(s.store, a.num("cutoff", 0), nil, 100, 100)
		s.printf("expired %d\n", s.apply(0, &ExpireProducers{Cutoff: a.num("cutoff", 0), Producers: expired}).(ExpireResult).Expired)
	case "released":
		for _, v := range a.list("objects") {
			s.printf("%s %v\n", v, Released(s.store, parseObject(v)))
		}
	case "find":
		s.find(a)
	case "list-offsets":
		r := ListOffset(s.store, &rpc.ListOffset{Partition: a.partition(), Timestamp: a.num("ts", -1)})
		s.printf("%s log-start=%d high-watermark=%d", code(r.Error), r.LogStartOffset, r.HighWatermark)
		if r.Found {
			s.printf(" found %d-%d max-ts=%d", r.Coordinate.BaseOffset, r.Coordinate.LastOffset, r.Coordinate.MaxTimestamp)
		}
		s.printf("\n")
	case "describe":
		s.describe(a)
	default:
		if s.runWork(d.Cmd, a) {
			break
		}
		t.Fatalf("%s: unknown command", d.Cmd)
	}
	return s.out.String()
}

// apply applies a command as the log does, and prints the records.
func (s *scenario) apply(now int64, c Command) any {
	result, records, err := s.machine.Apply(s.store, s.index, Encode(now, c))
	s.index++
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range records {
		s.printRecord(r)
	}
	return result
}

func (s *scenario) commit(d *datadriven.TestData, a scenarioArgs) {
	c := &CommitObjects{Broker: int32(a.num("broker", 1)), BrokerEpoch: a.num("broker-epoch", 7), AcknowledgedBelow: a.num("ack", 0), MetadataOffset: 10}
	for _, line := range strings.Split(d.Input, "\n") {
		f := strings.Fields(line)
		kv := fields(f)
		switch f[0] {
		case "object":
			c.Objects = append(c.Objects, rpc.ObjectCommit{Object: parseObject(f[1]), ObjectBytes: kv.num("bytes", 1000), Coordinators: []int32{0}})
		case "segment":
			o := &c.Objects[len(c.Objects)-1]
			o.Segments = append(o.Segments, rpc.SegmentCommit{Partition: parsePartition(f[1]), Position: kv.num("pos", 0), LogAppendTime: slices.Contains(f, "log-append-time")})
			if slices.Contains(f, "unknown") {
				c.Refused = append(c.Refused, RefusedSegment{len(c.Objects) - 1, len(o.Segments) - 1, kerr.UnknownTopicID.Code})
			}
		case "batch":
			o := &c.Objects[len(c.Objects)-1]
			seg := &o.Segments[len(o.Segments)-1]
			seg.Batches = append(seg.Batches, rpc.BatchCommit{Records: int32(kv.num("records", 1)), Bytes: int32(kv.num("bytes", 100)), MaxTimestamp: kv.num("ts", 1000),
				ProducerID: kv.num("producer", -1), ProducerEpoch: int16(kv.num("epoch", 0)), BaseSequence: int32(kv.num("seq", -1))})
		}
	}
	r := s.apply(a.num("now", 0), c).(CommitResult)
	if r.Err != nil {
		s.printf("%s\n", r.Err.Message)
		return
	}
	for i, o := range r.Response.Objects {
		for j, seg := range o.Segments {
			s.printf("%s %s", c.Objects[i].Object, name(c.Objects[i].Segments[j].Partition))
			if seg.Error != 0 {
				s.printf(" %s", code(seg.Error))
			}
			for _, b := range seg.Batches {
				s.printf(" [%s", code(b.Error))
				if b.Error == 0 {
					s.printf(" base=%d", b.BaseOffset)
				}
				s.printf("%s", flag(b.Duplicate, " duplicate"))
				if b.AppendTimestamp != -1 {
					s.printf(" append-time=%d", b.AppendTimestamp)
				}
				s.printf("]")
			}
			s.printf("\n")
		}
	}
}

func (s *scenario) lease(a scenarioArgs) {
	r := s.apply(a.num("now", 0), &LeaseWork{Broker: int32(a.num("broker", 1)), BrokerEpoch: a.num("broker-epoch", 7),
		MaxObjects: a.num("max", 10), DelayMillis: a.num("delay", 100), TimeoutMillis: a.num("timeout", 1000)}).(LeaseResult)
	if r.Err != nil {
		s.printf("%s\n", r.Err.Message)
		return
	}
	if len(r.Lease.Objects) == 0 {
		at, ok := NextWork(s.store, a.num("delay", 100))
		s.printf("nothing%s\n", flag(ok, fmt.Sprintf(", next at %d", at)))
		return
	}
	s.printf("lease=%d deadline=%d", r.Lease.Lease, r.Lease.DeadlineMillis)
	for _, o := range r.Lease.Objects {
		s.printf(" %s", o.Object)
	}
	s.printf("\n")
}

func (s *scenario) find(a scenarioArgs) {
	r := FindSegment(s.store, &rpc.FindSegment{Partition: a.partition(), Offset: a.num("offset", 0), MaxBytes: a.num("max-bytes", 1<<20), MaxCoordinates: int32(a.num("max", 100))})
	s.printf("%s log-start=%d high-watermark=%d\n", code(r.Error), r.LogStartOffset, r.HighWatermark)
	for _, c := range r.Coordinates {
		s.printf("  %d-%d in %s at %d+%d batches=%d max-ts=%d\n", c.BaseOffset, c.LastOffset, c.Object, c.Position, c.Bytes, c.Batches, c.MaxTimestamp)
	}
}

func (s *scenario) describe(a scenarioArgs) {
	r := DescribePartition(s.store, a.partition(), true)
	s.printf("%s bytes=%d coordinates=%d log-start=%d high-watermark=%d\n", code(r.Error), r.Bytes, r.Coordinates, r.LogStartOffset, r.HighWatermark)
	for _, p := range r.Producers {
		s.printf("  producer=%d epoch=%d last-seq=%d last-ts=%d\n", p.ProducerID, p.ProducerEpoch, p.LastSequence, p.LastTimestamp)
	}
}

func (s *scenario) printRecord(rec raftlog.Record) {
	r, err := topics.DecodeBatchCoordinate(rec.Value)
	if err != nil {
		s.t.Fatal(err)
	}
	s.printf("record ")
	switch r := r.(type) {
	case *topics.ObjectCommitted:
		s.printf("committed %s", r.Object)
		for _, seg := range r.Segments {
			for _, c := range seg.Coordinates {
				s.printf(" %s:%d-%d@%d+%d", name(seg.Partition), c.BaseOffset, c.LastOffset, c.Position, c.Bytes)
			}
		}
	case *topics.LogStartMoved:
		s.printf("log start of %s moved to %d, reason %d", name(r.Partition), r.LogStartOffset, r.Reason)
	case *topics.TopicDeleted:
		s.printf("topic %c deleted", r.ID[0])
	case *topics.ObjectsReleased:
		s.printf("garbage %v", r.Objects)
	case *topics.ObjectsDeleted:
		s.printf("deleted %v", r.Objects)
	case *topics.CoordinatesReplaced:
		s.printf("replaced %s:%d-%d by", name(r.Partition), r.BaseOffset, r.LastOffset)
		for _, c := range r.Coordinates {
			s.printf(" %d-%d in %s@%d+%d", c.BaseOffset, c.LastOffset, c.Object, c.Position, c.Bytes)
		}
	case *topics.BrokerFenced:
		s.printf("broker %d fenced below epoch %d", r.Broker, r.MinEpoch)
	}
	s.printf("\n")
}

type scenarioArgs struct{ d *datadriven.TestData }

func (a scenarioArgs) list(key string) []string {
	for _, arg := range a.d.CmdArgs {
		if arg.Key == key {
			return arg.Vals
		}
	}
	return nil
}

func (a scenarioArgs) num(key string, absent int64) int64 {
	if v := a.list(key); len(v) == 1 {
		return atoi(v[0])
	}
	return absent
}

func (a scenarioArgs) partition() kafka.TopicIDPartition { return parsePartition(a.d.CmdArgs[0].Key) }
func (a scenarioArgs) topic() kafka.TopicID              { return kafka.TopicID{a.d.CmdArgs[0].Key[0]} }

type fields []string

func (f fields) num(key string, absent int64) int64 {
	for _, s := range f {
		if v, ok := strings.CutPrefix(s, key+"="); ok {
			return atoi(v)
		}
	}
	return absent
}

func atoi(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func parsePartition(s string) kafka.TopicIDPartition {
	topic, partition, _ := strings.Cut(s, "/")
	return kafka.TopicIDPartition{ID: kafka.TopicID{topic[0]}, Partition: int32(atoi(partition))}
}

func parseObject(s string) kafka.ObjectID {
	epoch, sequence, _ := strings.Cut(s, "-")
	return kafka.ObjectID{Epoch: atoi(epoch), Sequence: atoi(sequence)}
}

func name(tp kafka.TopicIDPartition) string { return fmt.Sprintf("%c/%d", tp.ID[0], tp.Partition) }

func code(c int16) string {
	if err := kerr.TypedErrorForCode(c); err != nil {
		return err.Message
	}
	return "ok"
}

func flag(on bool, s string) string {
	if on {
		return s
	}
	return ""
}
