package state

import (
	"slices"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// scenarioPolicy is small enough for stories: three objects make a group, three coordinates of a level a merge.
var scenarioPolicy = WorkPolicy{LeaseMillis: 1000, DeleteDelayMillis: 100, MaxLeases: 3, MaxLeasesPerBroker: 2, MaxAttempts: 2, BackoffMillis: 10, MaxBackoffMillis: 15,
	ParkedMillis: 5000, MergeObjects: 3, MergeBytes: 10_000, MergeCoordinates: 100, MergeAgeMillis: 500, RunBytes: 5_000, RunCoordinates: 3, RunMaxBytes: 20_000,
	FinalBytes: 2_500, SweepMillis: []int64{50, 200, 400}}

var workKinds = map[string]rpc.WorkKind{"delete": rpc.WorkDelete, "merge": rpc.WorkMerge, "compact": rpc.WorkCompactKeys, "sweep": rpc.WorkSweep}

// runWork runs the commands of the second feature level: enable, grant, renew, finish, fail, plan, retry, work.
func (s *scenario) runWork(cmd string, a scenarioArgs) bool {
	now := a.num("now", 0)
	holder := Holder{int32(a.num("broker", 1)), a.num("broker-epoch", 7), a.num("lease", 0)}
	switch cmd {
	case "enable":
		s.printf("level %d\n", s.apply(now, &EnableWork{Level: 1, MaxCoordinates: a.num("max", 100), Policy: scenarioPolicy}).(EnableResult).Level)
	case "grant":
		s.grant(a, holder)
	case "renew":
		if r := s.apply(now, &RenewWork{Holder: holder, LeaseMillis: scenarioPolicy.LeaseMillis}).(RenewResult); r.Err != nil {
			s.printf("%s\n", r.Err.Message)
		} else {
			s.printf("deadline=%d\n", r.DeadlineMillis)
		}
	case "finish":
		s.finish(a, holder)
	case "fail":
		c := &FailWork{Holder: holder, Cause: "broken", Policy: scenarioPolicy}
		for _, v := range a.list("damaged") {
			c.Damaged = append(c.Damaged, parseObject(v))
		}
		if r := s.apply(now, c).(FailResult); r.Err != nil {
			s.printf("%s\n", r.Err.Message)
		} else {
			s.printf("attempts=%d next=%d%s\n", r.Response.Attempts, r.Response.RetryMillis, flag(r.Response.Parked, " parked"))
		}
	case "plan":
		tp := a.partition()
		settings := CompactionSettings{MinLagMillis: a.num("min-lag", 0), MaxLagMillis: a.num("max-lag", 1<<40), DirtyRatio: float64(a.num("percent", 50)) / 100}
		if !CompactionDue(s.store, tp, settings, now) {
			s.printf("not due\n")
			break
		}
		s.printf("planned %d\n", s.apply(now, &PlanCompaction{Partitions: []CompactionPlan{{tp, settings.MinLagMillis, a.num("delete-retention", 0)}}}).(PlanResult).Planned)
	case "retry":
		s.printf("retried %d\n", s.apply(now, &RetryWork{WorkKind: workKinds[a.d.CmdArgs[0].Key]}).(RetryResult).Items)
	case "work":
		s.describeWork(now)
	default:
		return false
	}
	return true
}

func (s *scenario) grant(a scenarioArgs, h Holder) {
	c := &GrantWork{Broker: h.Broker, BrokerEpoch: h.BrokerEpoch, MaxObjects: a.num("max", 10), Policy: scenarioPolicy}
	for _, k := range a.list("kinds") {
		c.Kinds = append(c.Kinds, workKinds[k])
	}
	if c.Kinds == nil {
		c.Kinds = []rpc.WorkKind{rpc.WorkDelete, rpc.WorkMerge, rpc.WorkCompactKeys, rpc.WorkSweep}
	}
	now := a.num("now", 0)
	r := s.apply(now, c).(GrantResult)
	switch {
	case r.Err != nil:
		s.printf("%s\n", r.Err.Message)
		return
	case r.Lease == 0:
		s.printf("nothing")
		if at, ok := NextGrant(s.store, c); ok {
			s.printf(", next at %d", at)
		}
		s.printf("\n")
		return
	}
	w, ok := ReadWork(s.store, r.Lease, now, &scenarioPolicy)
	if !ok {
		s.t.Fatal("the lease is not there")
	}
	s.work[r.Lease] = w
	s.printf("lease=%d deadline=%d %s attempt=%d", w.Lease, w.DeadlineMillis, w.Kind, w.Attempt)
	for _, o := range w.Objects {
		s.printf(" %s", o.Object)
	}
	if w.Sweep != nil {
		s.printf(" epoch %d of broker %d round %d", w.Sweep.Epoch, w.Sweep.Broker, w.Sweep.Round)
	}
	if k := w.CompactKeys; k != nil {
		s.printf(" log-start=%d dirty=%d producers=%v", k.LogStartOffset, k.FirstDirtyOffset, k.ActiveProducers)
	}
	if Nothing(w) {
		s.printf(" of nothing")
	}
	s.printf("\n")
	for _, run := range workRuns(w) {
		s.printf("  %s", name(run.Partition))
		for _, c := range run.Coordinates {
			s.printf(" %d-%d in %s", c.BaseOffset, c.LastOffset, c.Object)
		}
		s.printf("\n")
	}
}

// finish reports what an honest job does with all of its lease; lie= names what it gets wrong.
func (s *scenario) finish(a scenarioArgs, h Holder) {
	c := &FinishWork{Holder: h, Coordinator: 2, RetryMillis: a.num("retry", 0), SweptObjects: a.num("swept", 0), DeleteHorizonMillis: a.num("horizon", 0), Policy: scenarioPolicy}
	for _, v := range a.list("deleted") {
		c.Deleted = append(c.Deleted, parseObject(v))
	}
	id := kafka.ObjectID{}
	if v := a.list("object"); len(v) == 1 {
		id = parseObject(v[0])
		c.Outputs = []rpc.OutputObject{{Object: id, ObjectBytes: 1000}}
	}
	if v := a.list("cause"); len(v) == 1 {
		c.Cause = v[0]
	}
	w := s.work[h.Lease]
	if w == nil {
		w = &rpc.RequestWorkResponse{}
	}
	position := int64(0)
	for _, run := range workRuns(w) {
		if slices.Contains(a.list("skip"), name(run.Partition)) || len(run.Coordinates) == 0 {
			continue
		}
		seg, bytes := mergedSegment(id, position, &run)
		if keep := a.list("keep"); keep != nil { // of a key compaction: coordinates by number, each a tenth of its size
			seg.Coordinates = nil
			for _, k := range keep {
				in := run.Coordinates[atoi(k)]
				seg.Coordinates = append(seg.Coordinates, rpc.Coordinate{Object: id, Position: position, Bytes: in.Bytes / 10, BaseOffset: in.BaseOffset, LastOffset: in.LastOffset,
					MaxTimestamp: in.MaxTimestamp, AppendTimestamp: -1, Batches: 1, Stamped: true})
			}
		}
		if a.num("join", 0) > 0 { // one object takes all that is kept
			joined := seg.Coordinates[0]
			for _, next := range seg.Coordinates[1:] {
				joined.LastOffset, joined.Bytes, joined.MaxTimestamp = next.LastOffset, joined.Bytes+next.Bytes, max(joined.MaxTimestamp, next.MaxTimestamp)
			}
			seg.Coordinates = []rpc.Coordinate{joined}
		}
		position += bytes
		c.Segments = append(c.Segments, seg)
	}
	if lie := a.list("lie"); lie != nil {
		tellLie(c, lie[0])
	}
	r := s.apply(a.num("now", 0), c).(FinishResult)
	if r.Err != nil {
		s.printf("%s\n", r.Err.Message)
		return
	}
	s.printf("%s%s", r.Kind, flag(r.Repeated, " asked again"))
	for i, swapped := range r.Swapped {
		s.printf(" %s=%v", name(c.Segments[i].Partition), swapped)
	}
	s.printf("%s\n", flag(r.Deleted+r.Returned > 0, " deleted="+itoa(r.Deleted)+" returned="+itoa(r.Returned)))
}

func itoa(n int) string { return string(rune('0' + n)) }

func tellLie(c *FinishWork, lie string) {
	s := &c.Segments[0]
	out := &s.Coordinates[0]
	switch lie {
	case "bytes":
		out.Bytes++
	case "batches":
		out.Batches--
	case "timestamp":
		out.MaxTimestamp++
	case "offsets":
		out.LastOffset--
	case "range": // less than the lease
		s.BaseOffset++
		out.BaseOffset++
	case "object": // not among the outputs
		out.Object.Sequence++
	case "epoch":
		c.Outputs[0].Object.Epoch++
		out.Object.Epoch++
	case "headers":
		out.Stamped = false
	case "place": // behind the end of the object
		out.Position = c.Outputs[0].ObjectBytes - int64(out.Bytes) + 1
	case "index":
		out.IndexPosition, out.IndexBytes = c.Outputs[0].ObjectBytes-9, 10
	case "twice":
		c.Segments = append(c.Segments, *s)
	case "stranger":
		s.Partition.Partition = 9
	}
}

func (s *scenario) describeWork(now int64) {
	for _, k := range SummarizeWork(s.store, scenarioPolicy.DeleteDelayMillis, now, 100) {
		if k.Waiting+k.Running+k.Failed+k.Parked > 0 {
			s.printf("%s waiting=%d running=%d failed=%d parked=%d oldest=%d\n", k.Kind, k.Waiting, k.Running, k.Failed, k.Parked, k.OldestMillis)
		}
	}
	var next []byte
	for {
		var items []rpc.WorkItem
		items, next = DescribeWork(s.store, next, 1) // pages
		for _, i := range items {
			s.printf("  %s %s: %s since=%d next=%d attempts=%d", i.Kind, i.State, i.Subject, i.SinceMillis, i.NextMillis, i.Attempts)
			if i.Lease > 0 {
				s.printf(" lease=%d broker=%d deadline=%d", i.Lease, i.Broker, i.DeadlineMillis)
			}
			if i.Cause != "" {
				s.printf(" cause=%q %v", i.Cause, i.Damaged)
			}
			s.printf("\n")
		}
		if next == nil {
			return
		}
	}
}
