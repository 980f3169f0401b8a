package raftlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/inkwell-project/inkwell/internal/clock"
)

// Config of a Node.
type Config struct {
	// NodeID is this node's id in the Metadata cluster. A data folder belongs to one id for ever.
	NodeID int32
	FS     vfs.FS
	// Dir is the data folder; one process at a time uses it.
	Dir   string
	Clock clock.Clock
	// Rand makes the nonce that tells this process's proposals from those before a restart, and the timeouts of elections. It is the node's alone.
	Rand       *rand.Rand
	Transport  Transport // nil: there are no other nodes
	Logger     *slog.Logger
	Registerer prometheus.Registerer

	// TickInterval is Raft's unit of time, default 100 ms. Groups whose only voter is this node, and those in which nothing is outstanding, need
	// no ticks. All nodes must have the same three settings. A dead leader is replaced after 1 to 1.5 election timeouts with three replicas.
	TickInterval   time.Duration
	ElectionTicks  int // default 10
	HeartbeatTicks int // default 1
	// MaxInFlightBytes bounds the commands that were proposed and not yet applied, default 64 MiB.
	MaxInFlightBytes int64
	// MaxCommandBytes bounds one command, default 8 MiB.
	MaxCommandBytes int
	// CompactBytes and CompactEntries: after so much was appended, the state is flushed and the log is cut. Default 64 MiB and 100,000.
	CompactBytes   int64
	CompactEntries int64
	// KeepEntries is how many applied entries a group with several replicas keeps for followers that lag, default 5,000.
	KeepEntries uint64
	// HashCheckEntries and HashCheckInterval: after so many entries, or after that time if there were any, the replicas of a group compare a part
	// of their states. Default 10,000 and 5 minutes; negative entries: never.
	HashCheckEntries  int
	HashCheckInterval time.Duration
	// TailRecords and TailBytes bound the newest records of each topic that are kept in memory, default 1,024 and 1 MiB.
	TailRecords int
	TailBytes   int
	// ApplyWorkers is how many groups apply at the same time, default 2.
	ApplyWorkers int
	// SegmentBytes of the log, StateCacheBytes and StateMemTableBytes of the state store; 0 means their defaults.
	SegmentBytes       int64
	StateCacheBytes    int64
	StateMemTableBytes int64
}

// Message is a Raft message of one group.
type Message struct {
	Group uint64
	Raft  *pb.Message
}

// Transport carries messages to other nodes. Send must not block and may drop; the bytes of a message are not changed afterwards. A message's
// receiver is NodeOf(*m.Raft.To). The receiving side calls Node.Step.
type Transport interface {
	Send(messages []Message)
}

// SnapshotTransport is what a Transport that carries snapshots has, too. SendSnapshot calls write with a stream to a node, whose transport hands
// the other end to Node.ReceiveSnapshot; it returns nil when that did. It may take long, and ends with ctx.
type SnapshotTransport interface {
	SendSnapshot(ctx context.Context, to int32, write func(io.Writer) error) error
}

// TopicConfig says what is kept of a group's topic. All replicas must have the same.
type TopicConfig struct {
	// Compacted keeps the newest record of each key only. Otherwise the newest records are kept, as bounded below.
	Compacted bool
	// TombstoneRetainMillis is how long a compacted topic keeps tombstones, by the records' timestamps; default 24 h.
	TombstoneRetainMillis int64
	// RetainBytes and RetainMillis bound a topic that is not compacted, by keys and values and by the records' timestamps. 0: no bound.
	RetainBytes  int64
	RetainMillis int64
}

// GroupConfig describes one replica of a group.
type GroupConfig struct {
	ID      uint64 // above 0, and never used again for another group
	Name    string // topic-partition, for logs and errors
	Machine StateMachine
	Topic   TopicConfig
	// Voters are the nodes that a new group begins with. They matter only the first time; empty means that this replica joins a group that exists.
	// The first of them is the first leader, if it can be.
	Voters []int32
}

// SetDefaults fills what is zero.
func (c *Config) SetDefaults() {
	if c.FS == nil {
		c.FS = vfs.Default
	}
	if c.Clock == nil {
		c.Clock = clock.System
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Transport == nil {
		c.Transport = nowhere{}
	}
	setDefault(&c.TickInterval, 100*time.Millisecond)
	setDefault(&c.ElectionTicks, 10)
	setDefault(&c.HeartbeatTicks, 1)
	setDefault(&c.MaxInFlightBytes, 64<<20)
	setDefault(&c.MaxCommandBytes, 8<<20)
	setDefault(&c.CompactBytes, 64<<20)
	setDefault(&c.CompactEntries, 100_000)
	setDefault(&c.KeepEntries, 5_000)
	setDefault(&c.HashCheckEntries, 10_000)
	setDefault(&c.HashCheckInterval, defaultHashCheckInterval)
	setDefault(&c.TailRecords, 1024)
	setDefault(&c.TailBytes, 1<<20)
	setDefault(&c.ApplyWorkers, 2)
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Validate reports all mistakes at once.
func (c *Config) Validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("raftlog: "+format, args...)) }
	if c.NodeID < 0 {
		wrong("node id %d is below 0", c.NodeID)
	}
	if c.Dir == "" {
		wrong("the data folder is not set: give one with --data")
	}
	if c.Rand == nil {
		wrong("no source of randomness was handed in")
	}
	if c.ElectionTicks <= c.HeartbeatTicks || c.HeartbeatTicks < 1 {
		wrong("election ticks (%d) must be above heartbeat ticks (%d), which must be at least 1", c.ElectionTicks, c.HeartbeatTicks)
	}
	for name, v := range map[string]int64{
		"tick interval": int64(c.TickInterval), "max in-flight bytes": c.MaxInFlightBytes, "max command bytes": int64(c.MaxCommandBytes),
		"compact bytes": c.CompactBytes, "compact entries": c.CompactEntries, "tail records": int64(c.TailRecords),
		"tail bytes": int64(c.TailBytes), "apply workers": int64(c.ApplyWorkers),
	} {
		if v < 1 {
			wrong("%s is %d: at least 1", name, v)
		}
	}
	return errors.Join(errs...)
}

type nowhere struct{}

func (nowhere) Send([]Message) {}

// Raft knows no node 0.
func raftID(node int32) uint64 { return uint64(node) + 1 }

// NodeOf is the node that a Raft message's To or From names, -1 for none.
func NodeOf(id uint64) int32 { return int32(id) - 1 }
