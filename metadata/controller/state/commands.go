package state

import (
	"fmt"

	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/topics"
)

// Command is one of the types below.
type Command interface {
	kind() uint64
	append(b []byte) []byte
	decode(d *wire.Decoder) error
}

// CreateTopics creates topics; each alone succeeds or not. Names, counts and settings were checked by the leader.
type CreateTopics struct {
	// Coordinators is the number of partitions of __batch_coordinates: partitions are placed on [0, Coordinators).
	Coordinators int32
	// MaxPartitions bounds the partitions of all topics together.
	MaxPartitions int64
	Topics        []NewTopic
}

// NewTopic is a topic to create.
type NewTopic struct {
	ID         kafka.TopicID
	Name       string
	Partitions int32
	Settings   []topics.Setting // sorted by name
}

// DeleteTopics deletes topics, by id.
type DeleteTopics struct {
	IDs []kafka.TopicID
}

// CreatePartitions adds partitions to topics.
type CreatePartitions struct {
	Coordinators  int32
	MaxPartitions int64
	Topics        []MorePartitions
}

// MorePartitions asks for Count partitions in all.
type MorePartitions struct {
	ID    kafka.TopicID
	Count int32
}

// SetConfigs replaces all dynamic settings of resources.
type SetConfigs struct {
	Resources []ConfigChange
}

// ConfigChange replaces Old, as the leader saw it, by New. With other settings than Old nothing changes, and the leader decides anew.
type ConfigChange struct {
	Type     int8
	Name     string
	TopicID  kafka.TopicID // of a topic's settings: they are refused when the topic is another one by now
	Old, New []topics.Setting
}

// RegisterBroker registers one incarnation of a broker.
type RegisterBroker struct {
	Broker topics.Broker // Epoch and Fenced are decided by Apply
	// Replaceable is the epoch that a live session does not protect, -1 for none: another incarnation may take it over.
	Replaceable int64
}

// FenceBroker ends a broker epoch for ever.
type FenceBroker struct {
	Broker int32
	Epoch  int64
}

// UnregisterBroker forgets a broker.
type UnregisterBroker struct {
	Broker int32
}

// AllocateProducerIDs hands out the next Length producer ids.
type AllocateProducerIDs struct {
	Broker int32
	Epoch  int64
	Length int32
}

// commandVersion is raised when an old release could not apply a command rightly.
const commandVersion = 1

func newCommand(kind uint64) Command {
	switch kind {
	case 1:
		return &CreateTopics{}
	case 2:
		return &DeleteTopics{}
	case 3:
		return &CreatePartitions{}
	case 4:
		return &SetConfigs{}
	case 5:
		return &RegisterBroker{}
	case 6:
		return &FenceBroker{}
	case 7:
		return &UnregisterBroker{}
	case 8:
		return &AllocateProducerIDs{}
	case 9:
		return &ReportCost{}
	}
	return nil
}

func (*CreateTopics) kind() uint64        { return 1 }
func (*DeleteTopics) kind() uint64        { return 2 }
func (*CreatePartitions) kind() uint64    { return 3 }
func (*SetConfigs) kind() uint64          { return 4 }
func (*RegisterBroker) kind() uint64      { return 5 }
func (*FenceBroker) kind() uint64         { return 6 }
func (*UnregisterBroker) kind() uint64    { return 7 }
func (*AllocateProducerIDs) kind() uint64 { return 8 }

// Encode is the command's bytes for the log. timestampMillis is the leader's time: that of its records.
func Encode(timestampMillis int64, c Command) []byte {
	b := wire.AppendUint(nil, 1, commandVersion)
	b = wire.AppendUint(b, 2, c.kind())
	b = wire.AppendSint(b, 3, timestampMillis)
	return wire.AppendMessage(b, 4, c.append)
}

// Decode reads what Encode wrote. Errors wrap raftlog.ErrHalt: skipping a command would fork this replica.
func Decode(b []byte) (timestampMillis int64, c Command, err error) {
	var version, kind uint64
	var body []byte
	d := wire.NewDecoder(b)
	for d.Next() {
		switch d.Field() {
		case 1:
			version = d.Uint()
		case 2:
			kind = d.Uint()
		case 3:
			timestampMillis = d.Sint()
		case 4:
			body = d.Bytes()
		}
	}
	if err := d.Err(); err != nil {
		return 0, nil, fmt.Errorf("controller command: %w: %w", err, raftlog.ErrHalt)
	}
	c = newCommand(kind)
	if version != commandVersion || c == nil {
		return 0, nil, fmt.Errorf("controller command of kind %d and version %d comes from a newer release, this one knows version %d; run the newer release on this node: %w",
			kind, version, commandVersion, raftlog.ErrHalt)
	}
	if err := c.decode(wire.NewDecoder(body)); err != nil {
		return 0, nil, fmt.Errorf("controller command of kind %d: %w: %w", kind, err, raftlog.ErrHalt)
	}
	return timestampMillis, c, nil
}
