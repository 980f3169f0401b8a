package state

import (
	"errors"
	"fmt"

	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// commandVersion is the newest command format that this release applies and the one it proposes.
const commandVersion = 1

// ErrNewerCommand: the command was proposed by a newer release. Skipping it would fork this replica.
var ErrNewerCommand = errors.New("the command is of a newer release")

// Command is a change of the state. Its fields are everything that the change depends on, settings included.
type Command interface {
	kind() int // field of the command in the message
	appendBody(b []byte) []byte
	decodeBody(d *wire.Decoder) error
}

// Encode is the command's bytes in the log. nowMillis is the leader's time.
func Encode(nowMillis int64, c Command) []byte {
	b := make([]byte, 0, sizeHint(c))
	b = wire.AppendUint(b, 1, commandVersion)
	b = wire.AppendSint(b, 2, nowMillis)
	return wire.AppendMessage(b, c.kind(), c.appendBody)
}

// sizeHint is about the size of a command, so that a large commit is not copied while it grows.
func sizeHint(c Command) int {
	commit, ok := c.(*CommitObjects)
	if !ok {
		return 256
	}
	size := 64
	for i := range commit.Objects {
		size += 64
		for j := range commit.Objects[i].Segments {
			size += 48 + 24*len(commit.Objects[i].Segments[j].Batches)
		}
	}
	return size
}

// Decode reads what Encode wrote. Nothing aliases b.
func Decode(b []byte) (nowMillis int64, c Command, err error) {
	var version uint64
	d := wire.NewDecoder(b)
	for d.Next() {
		switch f := d.Field(); f {
		case 1:
			if version = d.Uint(); version > commandVersion {
				return 0, nil, fmt.Errorf("%w: version %d, this release knows %d", ErrNewerCommand, version, commandVersion)
			}
		case 2:
			nowMillis = d.Sint()
		default:
			if c = newCommand(f); c == nil {
				return 0, nil, fmt.Errorf("%w: kind %d", ErrNewerCommand, f)
			}
			d.Embedded(c.decodeBody)
		}
	}
	if err := d.Err(); err != nil {
		return 0, nil, fmt.Errorf("batch coordinator command: %w", err)
	}
	if version == 0 || c == nil {
		return 0, nil, errors.New("batch coordinator command without a version or a body")
	}
	return nowMillis, c, nil
}

func newCommand(kind int) Command {
	switch kind {
	case 10:
		return &CommitObjects{}
	case 11:
		return &DeleteRecords{}
	case 12:
		return &ApplyRetention{}
	case 13:
		return &DeleteTopic{}
	case 14:
		return &FenceBrokers{}
	case 15:
		return &LeaseWork{}
	case 16:
		return &CompleteWork{}
	case 17:
		return &ExpireProducers{}
	}
	return newWorkCommand(kind)
}

func (*CommitObjects) kind() int   { return 10 }
func (*DeleteRecords) kind() int   { return 11 }
func (*ApplyRetention) kind() int  { return 12 }
func (*DeleteTopic) kind() int     { return 13 }
func (*FenceBrokers) kind() int    { return 14 }
func (*LeaseWork) kind() int       { return 15 }
func (*CompleteWork) kind() int    { return 16 }
func (*ExpireProducers) kind() int { return 17 }

// CommitObjects is rpc.CommitObjectsRequest after the leader checked it against its image of __metadata.
type CommitObjects struct {
	Broker            int32
	BrokerEpoch       int64
	AcknowledgedBelow int64
	// MetadataOffset is that of the image that the leader checked with.
	MetadataOffset int64
	Objects        []rpc.ObjectCommit
	// Refused segments, ordered by object and segment: the leader's image does not know their topic or partition.
	Refused []RefusedSegment
}

// RefusedSegment is a segment that gets no offsets, by its indexes in the command.
type RefusedSegment struct {
	Object, Segment int
	Error           int16
}

// DeleteRecords moves log starts and frees what is below, at most MaxCoordinates at once.
type DeleteRecords struct {
	MaxCoordinates int64
	Partitions     []rpc.DeleteRecords
}

// ApplyRetention pops whole coordinates from the front of partitions, at most MaxCoordinates at once.
type ApplyRetention struct {
	MaxCoordinates int64
	Partitions     []PartitionRetention
}

// PartitionRetention is what one partition may keep.
type PartitionRetention struct {
	Partition kafka.TopicIDPartition
	// Cutoff: coordinates whose max timestamp is lower may go. -1: no limit of time.
	Cutoff int64
	// MaxBytes: the oldest coordinates may go while at least this many bytes stay. -1: no limit of size.
	MaxBytes int64
}

// DeleteTopic forgets a topic id, at most MaxCoordinates at once. No commit is accepted from the first page on.
type DeleteTopic struct {
	ID             kafka.TopicID
	MaxCoordinates int64
}

// BrokerEpoch is a broker and its epoch.
type BrokerEpoch struct {
	Broker int32
	Epoch  int64
}

// FenceBrokers says which broker epochs may still commit. An epoch is the offset of the registration in __metadata, so
// every epoch below MetadataOffset that is not live is over, for ever, also one that never committed here.
type FenceBrokers struct {
	MetadataOffset int64
	Live           []BrokerEpoch // by broker
	// SweepAfterMillis puts sweeps of the ended epochs on the agenda after this long, 0 does not. Only at the second feature level: partition 0 does.
	SweepAfterMillis int64
}

// LeaseWork gives a page of garbage to a broker, after taking back leases whose deadline has passed.
type LeaseWork struct {
	Broker        int32
	BrokerEpoch   int64
	MaxObjects    int64
	DelayMillis   int64 // object.delete.delay.ms: a reader may hold a coordinate this long
	TimeoutMillis int64 // of the lease
}

// CompleteWork ends a lease. Objects that it did not delete are leased again, not before RetryMillis and the delay have passed.
type CompleteWork struct {
	Broker      int32
	BrokerEpoch int64
	Lease       int64
	RetryMillis int64
	Deleted     []kafka.ObjectID
}

// ExpireProducers forgets those of the listed producers that appended nothing after Cutoff. The leader finds them; the cost is that of what goes.
type ExpireProducers struct {
	Cutoff    int64
	Producers []PartitionProducer
}

// PartitionProducer names a producer's state.
type PartitionProducer struct {
	Partition  kafka.TopicIDPartition
	ProducerID int64
}
