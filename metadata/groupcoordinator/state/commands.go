package state

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
)

// Command is one of the types below.
type Command interface {
	kind() uint64
	append(b []byte) []byte
	decode(d *wire.Decoder) error
}

// CommitOffsets stores offsets of one group. The leader has validated member and generation; the generation is checked once more, because a
// newer one may have been saved while the command was on its way.
type CommitOffsets struct {
	Group           string
	TimestampMillis int64
	Generation      int32 // -1: from a client that is no member
	Offsets         []Offset
}

// Offset is one committed offset.
type Offset struct {
	Topic                 string
	TopicID               kafka.TopicID // zero when the client did not name it
	Partition             int32
	Offset                int64
	LeaderEpoch           int32 // -1 when unknown
	Metadata              string
	ExpireTimestampMillis int64 // -1: by the retention of offsets
}

// SaveGroup stores a generation of a group: protocol, leader, members with subscription and assignment.
type SaveGroup struct {
	Group           string
	TimestampMillis int64
	Value           kmsg.GroupMetadataValue
}

// DeleteGroup removes a group and all its offsets. OnlyIfUnused leaves a group alone that has members or offsets.
type DeleteGroup struct {
	Group           string
	TimestampMillis int64
	OnlyIfUnused    bool
}

// DeleteOffsets removes committed offsets, of any groups.
type DeleteOffsets struct {
	TimestampMillis int64
	Offsets         []OffsetKey
}

// OffsetKey names one committed offset.
type OffsetKey struct {
	Group     string
	Topic     string
	Partition int32
	// CommittedAtMillis: delete only the offset that was committed then, not a newer one. -1: delete in any case.
	CommittedAtMillis int64
}

// commandVersion is raised when an old release could not apply a command rightly.
const commandVersion = 1

const (
	kindCommitOffsets uint64 = iota + 1
	kindSaveGroup
	kindDeleteGroup
	kindDeleteOffsets
)

func newCommand(kind uint64) Command {
	switch kind {
	case kindCommitOffsets:
		return &CommitOffsets{}
	case kindSaveGroup:
		return &SaveGroup{}
	case kindDeleteGroup:
		return &DeleteGroup{}
	case kindDeleteOffsets:
		return &DeleteOffsets{}
	default:
		return nil
	}
}

// Encode is the command's bytes for the log.
func Encode(c Command) []byte {
	b := wire.AppendUint(nil, 1, commandVersion)
	b = wire.AppendUint(b, 2, c.kind())
	return wire.AppendMessage(b, 3, c.append)
}

// Decode reads what Encode wrote. Errors wrap raftlog.ErrHalt: skipping a command would fork this replica.
func Decode(b []byte) (Command, error) {
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
			body = d.Bytes()
		}
	}
	if err := d.Err(); err != nil {
		return nil, fmt.Errorf("group command: %w: %w", err, raftlog.ErrHalt)
	}
	c := newCommand(kind)
	if version != commandVersion || c == nil {
		return nil, fmt.Errorf("group command of kind %d and version %d comes from a newer release, this one knows version %d; run the newer release on this node: %w",
			kind, version, commandVersion, raftlog.ErrHalt)
	}
	if err := c.decode(wire.NewDecoder(body)); err != nil {
		return nil, fmt.Errorf("group command of kind %d: %w: %w", kind, err, raftlog.ErrHalt)
	}
	return c, nil
}

func (c *CommitOffsets) kind() uint64 { return kindCommitOffsets }

func (c *CommitOffsets) append(b []byte) []byte {
	b = wire.AppendString(b, 1, c.Group)
	b = wire.AppendSint(b, 2, c.TimestampMillis)
	b = wire.AppendSint(b, 3, int64(c.Generation))
	for i := range c.Offsets {
		b = wire.AppendMessage(b, 4, c.Offsets[i].append)
	}
	return b
}

func (c *CommitOffsets) decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.Group = d.String()
		case 2:
			c.TimestampMillis = d.Sint()
		case 3:
			c.Generation = int32(d.Sint())
		case 4:
			var o Offset
			d.Embedded(o.decode)
			c.Offsets = append(c.Offsets, o)
		}
	}
	return d.Err()
}

func (o *Offset) append(b []byte) []byte {
	b = wire.AppendString(b, 1, o.Topic)
	if !o.TopicID.IsZero() {
		b = wire.AppendBytes(b, 2, o.TopicID[:])
	}
	b = wire.AppendSint(b, 3, int64(o.Partition))
	b = wire.AppendSint(b, 4, o.Offset)
	b = wire.AppendSint(b, 5, int64(o.LeaderEpoch))
	b = wire.AppendString(b, 6, o.Metadata)
	return wire.AppendSint(b, 7, o.ExpireTimestampMillis)
}

func (o *Offset) decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			o.Topic = d.String()
		case 2:
			id := d.Bytes()
			if len(id) != len(o.TopicID) {
				return fmt.Errorf("topic id of %d bytes", len(id))
			}
			o.TopicID = kafka.TopicID(id)
		case 3:
			o.Partition = int32(d.Sint())
		case 4:
			o.Offset = d.Sint()
		case 5:
			o.LeaderEpoch = int32(d.Sint())
		case 6:
			o.Metadata = d.String()
		case 7:
			o.ExpireTimestampMillis = d.Sint()
		}
	}
	return d.Err()
}

func (c *SaveGroup) kind() uint64 { return kindSaveGroup }

func (c *SaveGroup) append(b []byte) []byte {
	b = wire.AppendString(b, 1, c.Group)
	b = wire.AppendSint(b, 2, c.TimestampMillis)
	return wire.AppendMessage(b, 3, func(b []byte) []byte { return appendGroupValue(b, &c.Value) })
}

func (c *SaveGroup) decode(d *wire.Decoder) error {
	found := false
	for d.Next() {
		switch d.Field() {
		case 1:
			c.Group = d.String()
		case 2:
			c.TimestampMillis = d.Sint()
		case 3:
			found = true
			if err := c.Value.ReadFrom(d.Bytes()); err != nil {
				return fmt.Errorf("group metadata: %w", err)
			}
		}
	}
	if !found && d.Err() == nil {
		return errors.New("no group metadata")
	}
	return d.Err()
}

func (c *DeleteGroup) kind() uint64 { return kindDeleteGroup }

func (c *DeleteGroup) append(b []byte) []byte {
	b = wire.AppendString(b, 1, c.Group)
	b = wire.AppendSint(b, 2, c.TimestampMillis)
	return wire.AppendBool(b, 3, c.OnlyIfUnused)
}

func (c *DeleteGroup) decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.Group = d.String()
		case 2:
			c.TimestampMillis = d.Sint()
		case 3:
			c.OnlyIfUnused = d.Bool()
		}
	}
	return d.Err()
}

func (c *DeleteOffsets) kind() uint64 { return kindDeleteOffsets }

func (c *DeleteOffsets) append(b []byte) []byte {
	b = wire.AppendSint(b, 1, c.TimestampMillis)
	for i := range c.Offsets {
		b = wire.AppendMessage(b, 2, c.Offsets[i].append)
	}
	return b
}

func (c *DeleteOffsets) decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.TimestampMillis = d.Sint()
		case 2:
			var k OffsetKey
			d.Embedded(k.decode)
			c.Offsets = append(c.Offsets, k)
		}
	}
	return d.Err()
}

func (k *OffsetKey) append(b []byte) []byte {
	b = wire.AppendString(b, 1, k.Group)
	b = wire.AppendString(b, 2, k.Topic)
	b = wire.AppendSint(b, 3, int64(k.Partition))
	return wire.AppendSint(b, 4, k.CommittedAtMillis)
}

func (k *OffsetKey) decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			k.Group = d.String()
		case 2:
			k.Topic = d.String()
		case 3:
			k.Partition = int32(d.Sint())
		case 4:
			k.CommittedAtMillis = d.Sint()
		}
	}
	return d.Err()
}
