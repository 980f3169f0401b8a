package state

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/rpc"
)

// WorkLevel is the feature level of work in force; below 1, EnableWork is to be proposed, again if need be.
func WorkLevel(r statestore.Reader) int64 {
	v, ok := r.Get(scalarKey(nil, scalarWorkLevel))
	if !ok {
		return 0
	}
	return readNumber(v, scalarWorkLevel)
}

// NextGrant is when GrantWork can give something of these kinds to the broker, false when nothing waits for that. What comes due by another command
// (a commit, a completion) is not foreseen.
func NextGrant(r statestore.Reader, c *GrantWork) (atMillis int64, ok bool) {
	atMillis = math.MaxInt64
	add := func(at int64) { atMillis, ok = min(atMillis, at), true }
	total, own, kept := int64(0), int64(0), int64(math.MaxInt64)
	r.Scan([]byte{prefixLease}, []byte{prefixLease + 1}, func(_, v []byte) bool {
		l := readLease(v)
		add(l.deadline)
		kept = min(kept, l.keepsGarbage())
		total++
		if l.broker == c.Broker && l.epoch == c.BrokerEpoch {
			own++
		}
		return true
	})
	if total >= c.Policy.MaxLeases || own >= c.Policy.MaxLeasesPerBroker {
		return atMillis, ok
	}
	first := func(class workClass) {
		r.Scan([]byte{prefixAgenda, byte(class)}, []byte{prefixAgenda, byte(class) + 1}, func(k, _ []byte) bool {
			add(numberAt(k, 2))
			return false
		})
	}
	for _, kind := range c.Kinds {
		switch kind {
		case rpc.WorkDelete:
			r.Scan([]byte{prefixGarbage}, []byte{prefixGarbage + 1}, func(k, _ []byte) bool {
				if numberAt(k, 1) < kept { // otherwise when a lease ends
					add(later(numberAt(k, 1), c.Policy.DeleteDelayMillis))
				}
				return false
			})
		case rpc.WorkMerge:
			first(classCommits)
			first(classRun)
			if v, found := r.Get(scalarKey(nil, scalarQueue)); found {
				q := readQueue(v)
				if at, due := q.due(&c.Policy); due {
					add(at)
				}
			}
		case rpc.WorkCompactKeys:
			first(classCompact)
		case rpc.WorkSweep:
			first(classSweep)
		}
	}
	return atMillis, ok
}

// ReadWork tells what a lease is about; false when there is no such lease. A merge whose partitions are all gone has none.
func ReadWork(r statestore.Reader, id, nowMillis int64, policy *WorkPolicy) (*rpc.RequestWorkResponse, bool) {
	v, ok := r.Get(appendNumberKey(nil, prefixLease, id))
	if !ok {
		return nil, false
	}
	l := readLease(v)
	w := &rpc.RequestWorkResponse{Lease: id, DeadlineMillis: l.deadline, Kind: l.class.workKind(), Attempt: l.attempt}
	switch l.class {
	case classDelete:
		w.Objects = make([]rpc.ReleasedObject, len(l.objects))
		for i, object := range l.objects {
			o, ok := r.Get(appendObjectKey(nil, prefixObject, object))
			if !ok {
				panic(&Damaged{"released object"})
			}
			read := readObject(o)
			w.Objects[i] = rpc.ReleasedObject{Object: object, Bytes: read.bytes, Coordinators: read.coordinators}
		}
	case classCommits:
		w.Merge = &rpc.MergeWork{TargetBytes: policy.RunMaxBytes, Partitions: groupRuns(r, l.number)}
	case classRun:
		w.Merge = &rpc.MergeWork{TargetBytes: policy.RunMaxBytes}
		for _, run := range l.runs {
			if c := runCoordinates(r, run, true); len(c) > 0 {
				w.Merge.Partitions = append(w.Merge.Partitions, rpc.PartitionRun{Partition: run.partition, Coordinates: c})
			}
		}
	case classCompact:
		w.CompactKeys = compactWork(r, l.runs[0], nowMillis, policy)
	case classSweep:
		s, ok := r.Get(appendNumberKey(nil, prefixSweep, l.number))
		if !ok {
			panic(&Damaged{"sweep"})
		}
		read := readSweep(s)
		w.Sweep = &rpc.SweepWork{Broker: read.broker, Epoch: l.number, Round: read.round}
	}
	return w, true
}

// groupRuns lists what a group's commits brought and is still as they did, by partition.
func groupRuns(r statestore.Reader, id int64) []rpc.PartitionRun {
	v, ok := r.Get(appendNumberKey(nil, prefixGroup, id))
	if !ok {
		panic(&Damaged{"group of commits"})
	}
	g := readGroup(v)
	type place struct {
		partition  kafka.TopicIDPartition
		lastOffset int64
	}
	var places []place
	r.Scan(appendNumberKey(nil, prefixQueue, g.first), appendNumberKey(nil, prefixQueue, later(g.last, 1)), func(_, v []byte) bool {
		c := readQueuedCommit(v)
		c.each(func(tp kafka.TopicIDPartition, lastOffset int64) { places = append(places, place{tp, lastOffset}) })
		return true
	})
	slices.SortFunc(places, func(a, b place) int {
		if c := slices.Compare(a.partition.ID[:], b.partition.ID[:]); c != 0 {
			return c
		}
		if a.partition.Partition != b.partition.Partition {
			return int(min(max(int64(a.partition.Partition)-int64(b.partition.Partition), -1), 1))
		}
		return int(min(max(a.lastOffset-b.lastOffset, -1), 1))
	})
	var runs []rpc.PartitionRun
	var key []byte
	for i := range places {
		tp := places[i].partition
		key = appendOffsetKey(key[:0], prefixCoordinate, tp, places[i].lastOffset)
		v, ok := r.Get(key)
		if !ok {
			continue
		}
		c := readCoordinate(key, v)
		if c.level != levelCommitted {
			continue
		}
		if n := len(runs) - 1; n >= 0 && runs[n].Partition == tp && runs[n].Coordinates[len(runs[n].Coordinates)-1].LastOffset+1 == c.BaseOffset {
			runs[n].Coordinates = append(runs[n].Coordinates, c.Coordinate)
			continue
		}
		runs = append(runs, rpc.PartitionRun{Partition: tp, Coordinates: []rpc.Coordinate{c.Coordinate}})
	}
	return runs
}

// runCoordinates reads a leased run; nothing when it is not what was leased any more, for then the result would not count.
func runCoordinates(r statestore.Reader, run leasedRun, exact bool) []rpc.Coordinate {
	if TopicDeleted(r, run.partition.ID) {
		return nil
	}
	coordinates := make([]rpc.Coordinate, 0, run.coordinates)
	r.Scan(appendOffsetKey(nil, prefixCoordinate, run.partition, run.base), appendOffsetKey(nil, prefixCoordinate, run.partition, later(run.last, 1)), func(k, v []byte) bool {
		c := readCoordinate(k, v)
		coordinates = append(coordinates, c.Coordinate)
		return true
	})
	if exact && int64(len(coordinates)) != run.coordinates {
		return nil
	}
	return coordinates
}

func compactWork(r statestore.Reader, run leasedRun, nowMillis int64, policy *WorkPolicy) *rpc.CompactKeysWork {
	w := &rpc.CompactKeysWork{Partition: run.partition, NowMillis: nowMillis, MaxObjectBytes: policy.RunMaxBytes, Coordinates: runCoordinates(r, run, true)}
	if len(w.Coordinates) == 0 {
		return w
	}
	p, _ := ReadPartition(r, run.partition)
	w.LogStartOffset, w.HighWatermark = p.LogStartOffset, p.HighWatermark
	if v, ok := r.Get(appendPartitionKey(nil, prefixUpkeep, run.partition)); ok {
		u := readUpkeep(v)
		w.FirstDirtyOffset, w.DeleteRetentionMillis = max(u.cleanEnd, p.LogStartOffset), u.plan.DeleteRetentionMillis
	}
	lo := appendPartitionKey(nil, prefixProducer, run.partition)
	r.Scan(lo, after(lo), func(k, v []byte) bool {
		if pr := readProducer(v); pr.count > 0 {
			w.ActiveProducers = append(w.ActiveProducers, rpc.ProducerEnd{ProducerID: numberAt(k, partitionKeyLen), ProducerEpoch: pr.epoch, LastOffset: pr.batches[pr.count-1].lastOffset})
		}
		return true
	})
	return w
}

// Nothing says whether a lease has nothing to do any more: what it was about is gone. It is completed without outputs.
func Nothing(w *rpc.RequestWorkResponse) bool {
	return w.Merge != nil && len(w.Merge.Partitions) == 0 || w.CompactKeys != nil && len(w.CompactKeys.Coordinates) == 0
}

// SummarizeWork counts what waits, runs, failed and is parked, by kind. It looks at no more than limit entries of the agenda and of the garbage pool.
func SummarizeWork(r statestore.Reader, deleteDelayMillis, nowMillis int64, limit int) []rpc.WorkSummary {
	kinds := []rpc.WorkSummary{{Kind: rpc.WorkDelete}, {Kind: rpc.WorkMerge}, {Kind: rpc.WorkCompactKeys}, {Kind: rpc.WorkSweep}}
	oldest := func(s *rpc.WorkSummary, at int64) {
		if s.OldestMillis == 0 || at < s.OldestMillis {
			s.OldestMillis = at
		}
	}
	n := 0
	var failures []agendaEntry
	r.Scan([]byte{prefixAgenda}, []byte{prefixAgenda + 1}, func(k, v []byte) bool {
		e := readAgendaEntry(k, v)
		if e.state == rpc.WorkFailed || e.state == rpc.WorkParked {
			failures = append(failures, e)
		}
		s := &kinds[e.class.workKind()-1]
		switch e.state {
		case rpc.WorkFailed:
			s.Failed++
		case rpc.WorkParked:
			s.Parked++
		default:
			if e.next > nowMillis {
				return true // a sweep's next round
			}
			s.Waiting++
		}
		oldest(s, e.since)
		n++
		return n < limit
	})
	n = 0
	r.Scan([]byte{prefixGarbage}, []byte{prefixGarbage + 1}, func(k, _ []byte) bool {
		at := later(numberAt(k, 1), deleteDelayMillis)
		if at > nowMillis {
			return false
		}
		kinds[0].Waiting++
		oldest(&kinds[0], at)
		n++
		return n < limit
	})
	r.Scan([]byte{prefixLease}, []byte{prefixLease + 1}, func(_, v []byte) bool {
		l := readLease(v)
		s := &kinds[l.class.workKind()-1]
		s.Running++
		s.Attempts = max(s.Attempts, l.attempt)
		return true
	})
	kinds[0].Attempts = max(kinds[0].Attempts, int32(min(readDeleteFailure(r).failures, 1<<30)))
	for i := range failures {
		s := &kinds[failures[i].class.workKind()-1]
		s.Attempts = max(s.Attempts, describeEntry(r, &failures[i]).Attempts)
	}
	return kinds
}

// DescribeWork lists why deletes fail, leases, then the agenda, from a place on; next is where to go on, nil at the end.
func DescribeWork(r statestore.Reader, from []byte, limit int) (items []rpc.WorkItem, next []byte) {
	full := func(k []byte) bool {
		if len(items) < limit {
			return false
		}
		next = append([]byte(nil), k...)
		return true
	}
	if len(from) == 0 {
		if f := readDeleteFailure(r); f.failures > 0 {
			items = append(items, f.describe())
		}
	}
	if len(from) == 0 || from[0] == prefixLease {
		lo := []byte{prefixLease}
		if len(from) > 0 {
			lo = from
		}
		r.Scan(lo, []byte{prefixLease + 1}, func(k, v []byte) bool {
			if full(k) {
				return false
			}
			items = append(items, describeLease(numberAt(k, 1), readLease(v)))
			return true
		})
		if next != nil {
			return items, next
		}
		from = []byte{prefixAgenda}
	}
	var entries []agendaEntry
	r.Scan(from, []byte{prefixAgenda + 1}, func(k, v []byte) bool {
		if len(k) < 10 || len(items)+len(entries) >= limit {
			next = append([]byte(nil), k...)
			return false
		}
		entries = append(entries, readAgendaEntry(k, v))
		return true
	})
	for i := range entries {
		items = append(items, describeEntry(r, &entries[i]))
	}
	return items, next
}

func describeLease(id int64, l lease) rpc.WorkItem {
	item := rpc.WorkItem{Kind: l.class.workKind(), State: rpc.WorkRunning, Attempts: l.attempt, SinceMillis: l.granted,
		Lease: id, Broker: l.broker, BrokerEpoch: l.epoch, DeadlineMillis: l.deadline}
	switch l.class {
	case classDelete:
		item.Subject = fmt.Sprintf("%d objects", len(l.objects))
	case classCommits:
		item.Subject = fmt.Sprintf("group %d of commits", l.number)
	case classSweep:
		item.Subject = fmt.Sprintf("epoch %d", l.number)
	default:
		item.Subject = fmt.Sprintf("%s offsets %d to %d", l.runs[0].partition, l.runs[0].base, l.runs[0].last)
		if len(l.runs) > 1 {
			item.Subject += fmt.Sprintf(" and %d more partitions", len(l.runs)-1)
		}
	}
	return item
}

func describeEntry(r statestore.Reader, e *agendaEntry) rpc.WorkItem {
	item := rpc.WorkItem{Kind: e.class.workKind(), State: e.state, SinceMillis: e.since, NextMillis: e.next}
	var t task
	switch e.class {
	case classCommits:
		item.Subject = fmt.Sprintf("group %d of commits", e.number())
		if v, ok := r.Get(appendNumberKey(nil, prefixGroup, e.number())); ok {
			g := readGroup(v)
			t = g.task
			item.Subject = fmt.Sprintf("group %d of commits: %d objects, %d bytes", e.number(), g.objects, g.bytes)
		}
	case classSweep:
		item.Subject = fmt.Sprintf("epoch %d", e.number())
		if v, ok := r.Get(binary.BigEndian.AppendUint64([]byte{prefixSweep}, uint64(e.number()))); ok {
			s := readSweep(v)
			t = s.task
			item.Subject = fmt.Sprintf("epoch %d of broker %d, round %d", e.number(), s.broker, s.round)
		}
	default:
		item.Subject = e.partition().String()
		if v, ok := r.Get(appendPartitionKey(nil, prefixUpkeep, e.partition())); ok {
			u := readUpkeep(v)
			if t = u.merge; e.class == classCompact {
				t = u.compact
			}
		}
	}
	item.Attempts, item.Cause, item.Damaged = t.attempts, t.cause, t.damaged
	return item
}
