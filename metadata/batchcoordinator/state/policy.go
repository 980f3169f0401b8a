package state

import (
	"math"

	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// WorkPolicy is what the leader's settings say about work. It travels in the commands that choose work.
type WorkPolicy struct {
	LeaseMillis        int64 // how long a lease lasts
	DeleteDelayMillis  int64 // object.delete.delay.ms: a reader may hold a coordinate this long
	MaxLeases          int64 // compaction.max.leases, of this coordinator partition
	MaxLeasesPerBroker int64 // compaction.max.leases.per.broker
	MaxAttempts        int64 // failures after which work is parked
	BackoffMillis      int64 // after the first failure; it doubles with each
	MaxBackoffMillis   int64
	ParkedMillis       int64 // how long work stays parked

	// Commits are merged together once there are this many objects, bytes or coordinates of them, or the oldest is this old.
	MergeObjects     int64
	MergeBytes       int64
	MergeCoordinates int64
	MergeAgeMillis   int64
	// A partition's merged coordinates are merged again once there are this many bytes or coordinates, or a few and the oldest is this old; RunMaxBytes bounds the output.
	RunBytes       int64
	RunCoordinates int64
	RunAgeMillis   int64 // 0: no age is enough
	RunMaxBytes    int64
	// FinalBytes: a coordinate of this size is not merged again.
	FinalBytes int64
	// SweepMillis are the waits before each round of a sweep; after the last round the epoch is settled.
	SweepMillis []int64
}

func (p *WorkPolicy) fields() []*int64 {
	return []*int64{
		&p.LeaseMillis, &p.DeleteDelayMillis, &p.MaxLeases, &p.MaxLeasesPerBroker, &p.MaxAttempts, &p.BackoffMillis, &p.MaxBackoffMillis, &p.ParkedMillis,
		&p.MergeObjects, &p.MergeBytes, &p.MergeCoordinates, &p.MergeAgeMillis, &p.RunBytes, &p.RunCoordinates, &p.RunMaxBytes, &p.FinalBytes, &p.RunAgeMillis,
	}
}

const policySweepField = 32 // behind room for more numbers

func (p *WorkPolicy) append(b []byte) []byte {
	for i, f := range p.fields() {
		b = wire.AppendSint(b, i+1, *f)
	}
	return wire.AppendPackedSint(b, policySweepField, p.SweepMillis)
}

func (p *WorkPolicy) decode(d *wire.Decoder) error {
	fields := p.fields()
	for d.Next() {
		switch f := d.Field(); {
		case f <= len(fields):
			*fields[f-1] = d.Sint()
		case f == policySweepField:
			p.SweepMillis = wire.PackedSint(d, p.SweepMillis)
		}
	}
	return d.Err()
}

// backoff is how long work rests after its n-th failure.
func (p *WorkPolicy) backoff(n int32) int64 {
	wait := max(p.BackoffMillis, 0)
	for i := int32(1); i < min(n, 62) && wait < p.MaxBackoffMillis; i++ {
		wait = later(wait, wait)
	}
	return max(min(wait, p.MaxBackoffMillis), 0)
}

// later adds a wait to a time without running over.
func later(at, wait int64) int64 {
	at, wait = max(at, 0), max(wait, 0)
	if wait > math.MaxInt64-at {
		return math.MaxInt64
	}
	return at + wait
}

// maxRememberedResults bounds how many ended leases are known again when their completion is repeated.
const maxRememberedResults = 1024

// The agenda orders what waits by class, then by when it may be given out.
type workClass byte

const (
	classDelete  workClass = iota // objects: they wait in the garbage pool, not in the agenda
	classCommits                  // merge of a group of commits
	classRun                      // merge of a partition's merged coordinates
	classCompact                  // key compaction of a partition
	classSweep                    // of an epoch
)

// workKind is the class as brokers ask for it.
func (c workClass) workKind() rpc.WorkKind {
	switch c {
	case classDelete:
		return rpc.WorkDelete
	case classCommits, classRun:
		return rpc.WorkMerge
	case classCompact:
		return rpc.WorkCompactKeys
	}
	return rpc.WorkSweep
}

// A subject names what is to be done within a class, as bytes of a key: a group or an epoch, or a partition.
func numberSubject(n int64) []byte { return appendNumberKey(nil, 0, n)[1:] }

func partitionSubject(tp kafka.TopicIDPartition) []byte { return appendPartitionKey(nil, 0, tp)[1:] }
