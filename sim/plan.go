package sim

import (
	"log/slog"
	"time"

	"github.com/inkwell-project/inkwell/metadata/statestore/pebblestore/pebblestoretest"
)

// Plan is the shape of one run, drawn from its seed.
type Plan struct {
	Seed             uint64
	MetadataNodes    int32
	Guest            bool // a fourth node joins, and one leaves
	Clusters         int
	Brokers          int32 // of each cluster
	BatchCoordinator int32 // partitions
	GroupCoordinator int32
	Partitions       int32 // of each cluster's topic
	Producers        int   // of each partition
	Members          int   // of each cluster's group
	Readers          int   // of each cluster

	Latency           time.Duration // of the network
	GiveUp            time.Duration // of connections
	StoreLatency      time.Duration
	Pace              time.Duration // of producers
	LocalStore        bool
	MaxObjectBytes    int64
	RetentionCheck    time.Duration
	ObjectDeleteDelay time.Duration
	WorkLease         time.Duration
	MergeObjects      int64
	MergeAge          time.Duration
	MergeBytes        int64         // and of a partition's merged object
	Deleters          int           // of each cluster
	Audit             bool          // in the end the stores have exactly what coordinates point at
	Empty             time.Duration // 0, or for how long objects may stay when all records are deleted

	CompactEntries int64 // of the Raft logs
	KeepEntries    uint64
	HashEntries    int
	SegmentBytes   int64

	SharedBucket bool                 // the clusters' objects are in one
	Skew         time.Duration        // at most so far are clocks of processes from the right time
	Crashes      bool                 // the faults are brokers that die, many of them
	Damage       pebblestoretest.Kind // what befalls the state of one replica after the other
	DamageLogs   bool                 // the Raft log of one node after the other is damaged

	Duration time.Duration // of production, with faults
	Settle   time.Duration // everything must be settled so long after the last fault
	LogLevel slog.Level
}

// NewPlan draws a plan. Small runs find as much as large ones, and many more of them are made.
func NewPlan(seed uint64) Plan {
	r := Source{seed}.Rand("plan")
	p := Plan{
		Seed: seed, MetadataNodes: []int32{1, 3, 3, 3}[r.IntN(4)], Clusters: 2, Brokers: 1 + r.Int32N(2), BatchCoordinator: 1 + r.Int32N(2), GroupCoordinator: 1,
		Partitions: 1 + r.Int32N(3), Producers: 1, Members: 1 + r.IntN(2), Readers: 1,
		Latency: time.Duration(1+r.IntN(5)) * time.Millisecond, GiveUp: time.Duration(5+r.IntN(60)) * time.Second,
		StoreLatency: time.Duration(1+r.IntN(40)) * time.Millisecond, Pace: time.Duration(200+r.IntN(2000)) * time.Millisecond,
		LocalStore: r.IntN(2) == 0, MaxObjectBytes: 1024 << r.IntN(6), RetentionCheck: 5 * time.Minute, ObjectDeleteDelay: time.Minute,
		CompactEntries: 20 << r.IntN(8), KeepEntries: 5 << r.IntN(8), HashEntries: 5 << r.IntN(6), SegmentBytes: 16 << 10 << r.IntN(8),
		Duration: time.Duration(4000+r.IntN(10_000)) * time.Millisecond, Settle: 3 * time.Minute, LogLevel: slog.LevelWarn,
	}
	if r.IntN(3) > 0 {
		p.WorkLease, p.MergeObjects, p.MergeAge, p.MergeBytes = time.Duration(3+r.IntN(20))*time.Second, 2+r.Int64N(8), time.Duration(1+r.IntN(10))*time.Second, 512<<r.IntN(6)
		p.ObjectDeleteDelay, p.RetentionCheck = time.Duration(1+r.IntN(10))*time.Second, 5*time.Second
		p.Deleters = r.IntN(2)
		p.Audit = r.IntN(2) == 0
		if r.IntN(4) == 0 {
			p.Empty = 15 * time.Minute
		}
	}
	p.SharedBucket, p.Skew = r.IntN(2) == 0, []time.Duration{0, 0, time.Second, 5 * time.Minute}[r.IntN(4)]
	p.Guest = p.MetadataNodes == 3 && r.IntN(3) == 0
	return p
}

// NewCrashPlan draws a plan of brokers that die every moment: at calls of their stores, before and after those are done, at messages, and at any other time. One metadata node
// stands through it, so that a run has many of them.
func NewCrashPlan(seed uint64) Plan {
	p := NewPlan(seed)
	r := Source{seed}.Rand("crash plan")
	p.MetadataNodes, p.Guest, p.Crashes, p.Audit, p.Empty, p.Skew = 1, false, true, true, 0, 0
	p.Brokers, p.Members, p.Readers, p.Deleters = 2, 0, 1, r.IntN(2)
	p.WorkLease, p.MergeObjects, p.MergeAge, p.MergeBytes = time.Duration(2+r.IntN(5))*time.Second, 2+r.Int64N(4), time.Duration(1+r.IntN(3))*time.Second, 512<<r.IntN(6)
	p.ObjectDeleteDelay, p.RetentionCheck = time.Duration(1+r.IntN(3))*time.Second, 2*time.Second
	p.Pace, p.StoreLatency, p.Duration = 300*time.Millisecond, time.Duration(1+r.IntN(10))*time.Millisecond, 20*time.Second
	return p
}

// NewDamagePlan draws a plan in which the states of replicas are damaged, beside all other faults. They are compared often.
func NewDamagePlan(what pebblestoretest.Kind) func(seed uint64) Plan {
	return func(seed uint64) Plan {
		p := NewPlan(seed)
		p.MetadataNodes, p.Guest, p.Damage, p.HashEntries, p.Duration = 3, false, what, 5, 30*time.Second
		p.Empty, p.Audit = 0, false
		return p
	}
}

// NewLogDamagePlan draws a plan in which the Raft logs of nodes are damaged, beside all other faults.
func NewLogDamagePlan(seed uint64) Plan {
	p := NewDamagePlan(pebblestoretest.None)(seed)
	p.DamageLogs = true
	return p
}
