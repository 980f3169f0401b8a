package state

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/statestore/memstore"
	"github.com/inkwell-project/inkwell/rpc"
)

var modelPolicy = WorkPolicy{LeaseMillis: 40, DeleteDelayMillis: 10, MaxLeases: 4, MaxLeasesPerBroker: 3, MaxAttempts: 2, BackoffMillis: 5, MaxBackoffMillis: 20, ParkedMillis: 60,
	MergeObjects: 3, MergeBytes: 60, MergeCoordinates: 12, MergeAgeMillis: 30, RunBytes: 60, RunCoordinates: 3, RunAgeMillis: 20, RunMaxBytes: 80, FinalBytes: 50, SweepMillis: []int64{5, 10}}

// modelLease is a lease and what the twin knows of it.
type modelLease struct {
	holder   Holder
	deadline int64
	work     *rpc.RequestWorkResponse
	over     bool // taken back, or failed
	finish   *FinishWork
	result   *FinishResult
}

func (m *model) enable(_ *rapid.T, apply applyFunc) {
	r := apply(&EnableWork{Level: 1, MaxCoordinates: 3, Policy: modelPolicy}, 0).(EnableResult)
	m.enabled = r.Level > 0
}

func (m *model) broker(t *rapid.T) (int32, int64) {
	if rapid.Bool().Draw(t, "second broker") {
		return 2, m.second
	}
	return 1, 7
}

// drive has all the work done that there is, as a job that never fails does it.
func (m *model) drive(t *rapid.T, apply applyFunc, s *memstore.Store) {
	if !m.enabled {
		return
	}
	m.clock = max(m.clock+100, 400)
	for _, tp := range modelPartitions {
		if rapid.Bool().Draw(t, "planned") && CompactionDue(s, tp, CompactionSettings{MaxLagMillis: 100, DirtyRatio: .3}, m.clock) {
			apply(&PlanCompaction{Partitions: []CompactionPlan{{Partition: tp}}}, m.clock)
		}
	}
	for range 100 {
		leases := len(m.leases)
		m.grantTo(t, apply, s, m.clock, 1, 7, []rpc.WorkKind{rpc.WorkDelete, rpc.WorkMerge, rpc.WorkCompactKeys, rpc.WorkSweep})
		if len(m.leases) == leases {
			return
		}
		l := m.leases[leases]
		if k := l.work.CompactKeys; k != nil && len(k.Coordinates) > 1 && rapid.Bool().Draw(t, "popped meanwhile") {
			m.deleteBefore(t, apply, k.Partition, rapid.Int64Range(k.LogStartOffset, k.Coordinates[len(k.Coordinates)-1].LastOffset).Draw(t, "before"))
		}
		if rapid.IntRange(0, 4).Draw(t, "dice") > 0 {
			m.finishAt(t, apply, l, m.clock)
		}
	}
	t.Fatal("the work has no end")
}

func (m *model) grant(t *rapid.T, apply applyFunc, s *memstore.Store) {
	now := rapid.Int64Range(0, 300).Draw(t, "now")
	broker, epoch := m.broker(t)
	kinds := rapid.SliceOfNDistinct(rapid.SampledFrom([]rpc.WorkKind{rpc.WorkDelete, rpc.WorkMerge, rpc.WorkMerge, rpc.WorkCompactKeys, rpc.WorkSweep}), 1, 4, rapid.ID).Draw(t, "kinds")
	m.grantTo(t, apply, s, now, broker, epoch, kinds)
}

func (m *model) grantTo(t *rapid.T, apply applyFunc, s *memstore.Store, now int64, broker int32, epoch int64, kinds []rpc.WorkKind) {
	c := &GrantWork{Broker: broker, BrokerEpoch: epoch, Kinds: kinds, MaxObjects: 3, Policy: modelPolicy}
	at, some := NextGrant(s, c)
	r := apply(c, now).(GrantResult)
	if !m.enabled {
		if r.Err != kerr.UnsupportedVersion {
			t.Fatalf("granted %+v before the level was raised", r)
		}
		return
	}
	for _, l := range m.leases {
		l.over = l.over || l.deadline <= now
	}
	if r.Lease == 0 {
		return
	}
	if !some || at > now {
		t.Fatalf("granted at %d, foreseen %v at %d", now, some, at)
	}
	if r.Lease <= m.lease {
		t.Fatalf("lease %d after %d", r.Lease, m.lease)
	}
	m.lease = r.Lease
	work, ok := ReadWork(s, r.Lease, now, &modelPolicy)
	if !ok || !slices.Contains(kinds, work.Kind) || work.DeadlineMillis != now+modelPolicy.LeaseMillis {
		t.Fatalf("work %+v, %v", work, ok)
	}
	m.leases = append(m.leases, &modelLease{holder: Holder{broker, epoch, r.Lease}, deadline: work.DeadlineMillis, work: work})
	m.checkMerge(t, work)
}

// checkMerge: what is to be merged is there, contiguous, and in no other lease.
func (m *model) checkMerge(t *rapid.T, work *rpc.RequestWorkResponse) {
	for _, run := range workRuns(work) {
		p := m.partition(run.Partition)
		if !contains(p.coordinates, run.Coordinates) {
			t.Fatalf("lease %d has %v of %s, which has %v", work.Lease, run.Coordinates, run.Partition, p.coordinates)
		}
		for _, l := range m.leases {
			if l.over || l.result != nil || l.work == work {
				continue
			}
			for _, other := range workRuns(l.work) {
				for _, c := range other.Coordinates {
					if other.Partition == run.Partition && slices.Contains(run.Coordinates, c) {
						t.Fatalf("%v is in the leases %d and %d", c, work.Lease, l.work.Lease)
					}
				}
			}
		}
	}
}

func workRuns(w *rpc.RequestWorkResponse) []rpc.PartitionRun {
	switch {
	case w.Merge != nil:
		return w.Merge.Partitions
	case w.CompactKeys != nil:
		return []rpc.PartitionRun{{Partition: w.CompactKeys.Partition, Coordinates: w.CompactKeys.Coordinates}}
	}
	return nil
}

// contains says whether run is a part of all, one after the other.
func contains(all, run []rpc.Coordinate) bool {
	if len(run) == 0 {
		return true
	}
	i := slices.Index(all, run[0])
	return i >= 0 && i+len(run) <= len(all) && slices.Equal(all[i:i+len(run)], run)
}

func (m *model) pickLease(t *rapid.T) *modelLease {
	if len(m.leases) == 0 {
		return nil
	}
	return m.leases[len(m.leases)-1-rapid.IntRange(0, min(len(m.leases)-1, 5)).Draw(t, "lease")]
}

func (m *model) valid(l *modelLease, now int64) bool {
	return l.result == nil && !l.over && now < l.deadline
}

func (m *model) finishWork(t *rapid.T, apply applyFunc) {
	l := m.pickLease(t)
	if l == nil {
		return
	}
	m.finishAt(t, apply, l, rapid.Int64Range(max(l.deadline-60, 0), l.deadline+5).Draw(t, "now"))
}

func (m *model) finishAt(t *rapid.T, apply applyFunc, l *modelLease, now int64) {
	if l.result != nil { // asked again, as after a lost answer: also when others have the work by now
		r := apply(l.finish, now).(FinishResult)
		if r.Err != nil || !r.Repeated || !slices.Equal(r.Swapped, l.result.Swapped) {
			t.Fatalf("asked again: %+v, first %+v", r, l.result)
		}
		return
	}
	c := m.completion(t, l)
	expected := make([]bool, len(c.Segments))
	for i, s := range c.Segments {
		run := m.runOf(l, s)
		expected[i] = !m.deleted[s.Partition.ID] && len(run) > 0 && contains(m.partition(s.Partition).coordinates, run)
	}
	r := apply(c, now).(FinishResult)
	if m.valid(l, now) != (r.Err == nil) {
		t.Fatalf("lease %d, deadline %d, over %v, at %d: %v", l.holder.Lease, l.deadline, l.over, now, r.Err)
	}
	if r.Err != nil {
		return
	}
	if r.Repeated || !slices.Equal(r.Swapped, expected) {
		t.Fatalf("swapped %v, want %v", r.Swapped, expected)
	}
	l.finish, l.result = c, &r
	for _, o := range c.Outputs {
		m.objects[o.Object], m.outputs[o.Object] = true, true
	}
	for _, id := range c.Deleted {
		m.gone[id] = true
	}
	for i, s := range c.Segments {
		if expected[i] {
			p := m.partition(s.Partition)
			run := m.runOf(l, s)
			at := slices.Index(p.coordinates, run[0])
			popped := func(c rpc.Coordinate) bool { return c.LastOffset < p.logStart }
			p.coordinates = slices.Replace(slices.Clone(p.coordinates), at, at+len(run), slices.DeleteFunc(slices.Clone(s.Coordinates), popped)...)
		}
	}
}

// runOf is the leased run that a segment replaces; of a key compaction, what retention has left of it.
func (m *model) runOf(l *modelLease, s rpc.ReplacedSegment) []rpc.Coordinate {
	for _, run := range workRuns(l.work) {
		if run.Partition == s.Partition && run.Coordinates[0].BaseOffset == s.BaseOffset {
			rest := run.Coordinates
			for l.work.CompactKeys != nil && len(rest) > 0 && rest[0].LastOffset < m.partition(run.Partition).logStart {
				rest = rest[1:]
			}
			return rest
		}
	}
	return nil
}

// completion is what a job may report: all or a part of its runs.
func (m *model) completion(t *rapid.T, l *modelLease) *FinishWork {
	c := &FinishWork{Holder: l.holder, Policy: modelPolicy, RetryMillis: 1}
	for _, o := range l.work.Objects {
		if rapid.Bool().Draw(t, "deleted") {
			c.Deleted = append(c.Deleted, o.Object)
		}
	}
	if len(c.Deleted) < len(l.work.Objects) && rapid.Bool().Draw(t, "some fail") {
		c.Cause = "denied"
	}
	if l.work.Sweep != nil {
		c.SweptObjects = 3
	}
	runs := workRuns(l.work)
	if len(runs) == 0 {
		return c
	}
	id := kafka.ObjectID{Epoch: l.holder.BrokerEpoch, Sequence: m.sequence}
	m.sequence++
	c.Outputs = []rpc.OutputObject{{Object: id, ObjectBytes: 1000}}
	for i := range runs {
		if len(runs[i].Coordinates) == 0 || rapid.IntRange(0, 4).Draw(t, "dice") == 0 {
			continue
		}
		s, _ := mergedSegment(id, 0, &runs[i])
		if l.work.CompactKeys != nil {
			s.Coordinates = compactedCoordinates(t, id, &runs[i])
			c.DeleteHorizonMillis = rapid.Int64Range(0, 200).Draw(t, "horizon")
		}
		c.Segments = append(c.Segments, s)
	}
	return c
}

// compactedCoordinates keeps some, smaller and with older timestamps; there is always one for the last.
func compactedCoordinates(t *rapid.T, id kafka.ObjectID, run *rpc.PartitionRun) (out []rpc.Coordinate) {
	for i, c := range run.Coordinates {
		if i < len(run.Coordinates)-1 && rapid.Bool().Draw(t, "dropped") {
			continue
		}
		out = append(out, rpc.Coordinate{Object: id, Bytes: rapid.Int32Range(1, c.Bytes).Draw(t, "bytes"), BaseOffset: c.BaseOffset, LastOffset: c.LastOffset,
			MaxTimestamp: rapid.Int64Range(-1, c.MaxTimestamp).Draw(t, "timestamp"), AppendTimestamp: -1, Batches: 1, Stamped: true})
	}
	if len(out) > 1 && rapid.Bool().Draw(t, "joined") { // one object takes them all
		c := out[0]
		for _, next := range out[1:] {
			c.LastOffset, c.Bytes, c.Batches, c.MaxTimestamp = next.LastOffset, c.Bytes+next.Bytes, c.Batches+1, max(c.MaxTimestamp, next.MaxTimestamp)
		}
		out = []rpc.Coordinate{c}
	}
	return out
}

func (m *model) failWork(t *rapid.T, apply applyFunc) {
	l := m.pickLease(t)
	if l == nil {
		return
	}
	now := rapid.Int64Range(max(l.deadline-60, 0), l.deadline+5).Draw(t, "now")
	if rapid.Bool().Draw(t, "renew") {
		r := apply(&RenewWork{Holder: l.holder, LeaseMillis: modelPolicy.LeaseMillis}, now).(RenewResult)
		if m.valid(l, now) != (r.Err == nil) {
			t.Fatalf("renewed: %+v", r)
		}
		if r.Err == nil {
			l.deadline = r.DeadlineMillis
		}
		return
	}
	fail := &FailWork{Holder: l.holder, Cause: "damage", Policy: modelPolicy}
	for _, run := range workRuns(l.work) {
		for _, c := range run.Coordinates {
			if rapid.IntRange(0, 3).Draw(t, "damaged") == 0 {
				fail.Damaged = append(fail.Damaged, c.Object)
			}
		}
	}
	r := apply(fail, now).(FailResult)
	if m.valid(l, now) != (r.Err == nil) {
		t.Fatalf("failed: %+v", r)
	}
	l.over = l.over || r.Err == nil
}

// fenceSecond ends the second broker's epoch; it comes back with the next.
func (m *model) fenceSecond(t *rapid.T, apply applyFunc) {
	if rapid.IntRange(0, 3).Draw(t, "dice") > 0 {
		return
	}
	old := m.second
	m.second++
	apply(&FenceBrokers{MetadataOffset: m.second + 1, Live: []BrokerEpoch{{1, 7}, {2, m.second}}, SweepAfterMillis: 5}, rapid.Int64Range(0, 300).Draw(t, "now"))
	for _, l := range m.leases {
		l.over = l.over || m.enabled && l.holder.BrokerEpoch == old
	}
	if !m.enabled {
		m.leases = nil
	}
}

func (m *model) plan(t *rapid.T, apply applyFunc, s *memstore.Store) {
	tp := rapid.SampledFrom(modelPartitions).Draw(t, "partition")
	now := rapid.Int64Range(0, 300).Draw(t, "now")
	settings := CompactionSettings{MaxLagMillis: 100, DirtyRatio: .3}
	if CompactionDue(s, tp, settings, now) {
		apply(&PlanCompaction{Partitions: []CompactionPlan{{Partition: tp}}}, now)
	}
}

func (m *model) retry(t *rapid.T, apply applyFunc) {
	apply(&RetryWork{WorkKind: rpc.WorkKind(rapid.IntRange(1, 4).Draw(t, "kind"))}, 0)
}

// checkWork recounts what the state keeps for choosing work.
func (m *model) checkWork(t *rapid.T, s *memstore.Store) {
	leases := map[int64]lease{}
	deadlines := 0
	agenda := map[string]int{}
	queued := queue{}
	named := map[kafka.TopicIDPartition]map[int64]bool{}
	s.Scan(nil, nil, func(k, v []byte) bool {
		switch k[0] {
		case prefixLease:
			leases[numberAt(k, 1)] = readLease(v)
		case prefixDeadline:
			deadlines++
		case prefixAgenda:
			agenda[string(k)]++
		case prefixQueue:
			c := readQueuedCommit(v)
			queued.objects, queued.bytes, queued.coordinates = queued.objects+1, queued.bytes+c.bytes, queued.coordinates+c.coordinates
			c.each(func(tp kafka.TopicIDPartition, last int64) {
				if named[tp] == nil {
					named[tp] = map[int64]bool{}
				}
				named[tp][last] = true
			})
		}
		return true
	})
	s.Scan([]byte{prefixCoordinate}, []byte{prefixCoordinate + 1}, func(k, v []byte) bool {
		c, tp := readCoordinate(k, v), partitionOf(k)
		if m.enabled && c.level == levelCommitted && !named[tp][c.LastOffset] {
			t.Fatalf("%s offset %d will never be merged", tp, c.LastOffset)
		}
		return true
	})
	indexed := 0
	fence := readFence(s)
	for id, l := range leases {
		if m.enabled && l.version == leaseVersion && fence.fenced(l.epoch) {
			t.Fatalf("lease %d of an epoch that is over", id)
		}
		if l.version == leaseVersion {
			indexed++
		}
	}
	if indexed != deadlines {
		t.Fatalf("%d leases have %d deadlines", indexed, deadlines)
	}
	planned := func(class workClass, subject []byte, tk *task) {
		if tk.next >= 0 {
			k := string(appendAgendaKey(nil, class, tk.next, subject))
			if agenda[k]--; agenda[k] < 0 {
				t.Fatalf("task %+v of class %d is not on the agenda", tk, class)
			}
		}
	}
	s.Scan([]byte{prefixGroup}, []byte{prefixGroup + 1}, func(k, v []byte) bool {
		g := readGroup(v)
		planned(classCommits, k[1:], &g.task)
		queued.objects, queued.bytes, queued.coordinates = queued.objects-g.objects, queued.bytes-g.bytes, queued.coordinates-g.coordinates
		held := false
		for _, l := range leases {
			held = held || l.class == classCommits && l.number == numberAt(k, 1)
		}
		if held == (g.task.next >= 0) {
			t.Fatalf("group %d: leased %v, %+v", numberAt(k, 1), held, g)
		}
		return true
	})
	if v, ok := s.Get(scalarKey(nil, scalarQueue)); ok {
		if q := readQueue(v); q.objects != queued.objects || q.bytes != queued.bytes || q.coordinates != queued.coordinates {
			t.Fatalf("queue %+v, recount %+v", q, queued)
		}
	}
	s.Scan([]byte{prefixSweep}, []byte{prefixSweep + 1}, func(k, v []byte) bool {
		w := readSweep(v)
		planned(classSweep, k[1:], &w.task)
		return true
	})
	for _, tp := range modelPartitions {
		checkUpkeep(t, s, tp, leases, planned)
	}
	for k, n := range agenda {
		if n != 0 {
			t.Fatalf("agenda entry %x belongs to no task", k)
		}
	}
}

func checkUpkeep(t *rapid.T, s *memstore.Store, tp kafka.TopicIDPartition, leases map[int64]lease, planned func(workClass, []byte, *task)) {
	want, got := newUpkeep(), newUpkeep()
	if v, ok := s.Get(appendPartitionKey(nil, prefixUpkeep, tp)); ok {
		got = readUpkeep(v)
	}
	want.cleanEnd = got.cleanEnd
	starts := map[uint8]int64{}
	lo := appendPartitionKey(nil, prefixCoordinate, tp)
	s.Scan(lo, after(lo), func(k, v []byte) bool {
		c := readCoordinate(k, v)
		if c.level != levelCommitted {
			want.add(&c)
			if _, ok := starts[c.level]; !ok {
				starts[c.level] = c.BaseOffset
			}
		}
		return true
	})
	if want.bytes != got.bytes || want.cleanBytes != got.cleanBytes || len(want.runs) != len(got.runs) {
		t.Fatalf("%s: %+v, recount %+v", tp, got, want)
	}
	for i, r := range got.runs {
		if w := want.runs[i]; w.level != r.level || w.coordinates != r.coordinates || w.bytes != r.bytes || r.start > starts[r.level] {
			t.Fatalf("%s: run %+v, recount %+v from %d", tp, r, w, starts[r.level])
		}
	}
	planned(classRun, partitionSubject(tp), &got.merge)
	planned(classCompact, partitionSubject(tp), &got.compact)
	held := int64(0)
	for id, l := range leases {
		for _, r := range l.runs {
			if r.partition == tp && got.lease == id {
				held = id
			}
		}
	}
	if got.lease != held {
		t.Fatalf("%s: lease %d, but that is not there", tp, got.lease)
	}
	if got.lease == 0 && (got.merge.since >= 0 && got.merge.next < 0 || got.compact.since >= 0 && got.compact.next < 0) {
		t.Fatalf("%s: something waits for nothing: %s", tp, fmt.Sprintf("%+v", got))
	}
}
