package state

import (
	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// Kinds of the commands of the second feature level: a replica of an older release halts at them, so they are proposed only when every node knows them.
const (
	KindEnableWork     = 18
	KindGrantWork      = 19
	KindRenewWork      = 20
	KindFinishWork     = 21
	KindFailWork       = 22
	KindPlanCompaction = 23
	KindRetryWork      = 24
)

func (*EnableWork) kind() int     { return KindEnableWork }
func (*GrantWork) kind() int      { return KindGrantWork }
func (*RenewWork) kind() int      { return KindRenewWork }
func (*FinishWork) kind() int     { return KindFinishWork }
func (*FailWork) kind() int       { return KindFailWork }
func (*PlanCompaction) kind() int { return KindPlanCompaction }
func (*RetryWork) kind() int      { return KindRetryWork }

func newWorkCommand(kind int) Command {
	switch kind {
	case KindEnableWork:
		return &EnableWork{}
	case KindGrantWork:
		return &GrantWork{}
	case KindRenewWork:
		return &RenewWork{}
	case KindFinishWork:
		return &FinishWork{}
	case KindFailWork:
		return &FailWork{}
	case KindPlanCompaction:
		return &PlanCompaction{}
	case KindRetryWork:
		return &RetryWork{}
	}
	return nil
}

// EnableWork begins the second feature level: from here on commits are queued for merging. Until then the older commands do what they always
// did, to the byte, for replicas of the release before apply them, too. Coordinates that are there already join in pages of MaxCoordinates: the command
// is repeated until its result says that the level is in force.
type EnableWork struct {
	Level          int64
	MaxCoordinates int64
	Policy         WorkPolicy
}

// Holder is who a lease was given to.
type Holder struct {
	Broker      int32
	BrokerEpoch int64
	Lease       int64
}

// GrantWork leases one piece of work to a broker, after taking back leases whose deadline has passed.
type GrantWork struct {
	Broker      int32
	BrokerEpoch int64
	Kinds       []rpc.WorkKind
	MaxObjects  int64 // of a delete
	MaxBytes    int64 // of a merge, 0 for the policy's
	Policy      WorkPolicy
}

// RenewWork moves a lease's deadline on.
type RenewWork struct {
	Holder
	LeaseMillis int64
}

// FinishWork ends a lease with what was done. Policy says what comes next.
type FinishWork struct {
	Holder
	Coordinator         int32 // this partition
	Deleted             []kafka.ObjectID
	Outputs             []rpc.OutputObject
	Segments            []rpc.ReplacedSegment
	DeleteHorizonMillis int64
	SweptObjects        int64
	RetryMillis         int64  // of objects that a delete left
	Cause               string // why it left objects that could be deleted
	Policy              WorkPolicy
}

// FailWork gives a lease back.
type FailWork struct {
	Holder
	Cause   string
	Damaged []kafka.ObjectID
	Policy  WorkPolicy
}

// PlanCompaction puts key compactions on the agenda. The leader found them due by its image's settings.
type PlanCompaction struct {
	Partitions []CompactionPlan
}

// CompactionPlan is one partition's, with the settings that bound it.
type CompactionPlan struct {
	Partition             kafka.TopicIDPartition
	MinLagMillis          int64
	DeleteRetentionMillis int64
}

// RetryWork has parked work of a kind given out at once.
type RetryWork struct {
	WorkKind rpc.WorkKind
}

func (c *EnableWork) appendBody(b []byte) []byte {
	b = wire.AppendSint(b, 1, c.Level)
	b = wire.AppendSint(b, 2, c.MaxCoordinates)
	return wire.AppendMessage(b, 3, c.Policy.append)
}

func (c *EnableWork) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.Level = d.Sint()
		case 2:
			c.MaxCoordinates = d.Sint()
		case 3:
			d.Embedded(c.Policy.decode)
		}
	}
	return d.Err()
}

func (h *Holder) append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(h.Broker))
	b = wire.AppendSint(b, 2, h.BrokerEpoch)
	return wire.AppendSint(b, 3, h.Lease)
}

// decodeField reads one of the fields that append wrote.
func (h *Holder) decodeField(d *wire.Decoder) {
	switch d.Field() {
	case 1:
		h.Broker = int32(d.Sint())
	case 2:
		h.BrokerEpoch = d.Sint()
	case 3:
		h.Lease = d.Sint()
	}
}

func (c *GrantWork) appendBody(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(c.Broker))
	b = wire.AppendSint(b, 2, c.BrokerEpoch)
	for _, k := range c.Kinds {
		b = wire.AppendMessage(b, 3, func(b []byte) []byte { return wire.AppendSint(b, 1, int64(k)) })
	}
	b = wire.AppendSint(b, 4, c.MaxObjects)
	b = wire.AppendSint(b, 5, c.MaxBytes)
	return wire.AppendMessage(b, 6, c.Policy.append)
}

func (c *GrantWork) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.Broker = int32(d.Sint())
		case 2:
			c.BrokerEpoch = d.Sint()
		case 3:
			kind := rpc.WorkKind(0)
			d.Embedded(func(d *wire.Decoder) error {
				for d.Next() {
					if d.Field() == 1 {
						kind = rpc.WorkKind(d.Sint())
					}
				}
				return d.Err()
			})
			c.Kinds = append(c.Kinds, kind)
		case 4:
			c.MaxObjects = d.Sint()
		case 5:
			c.MaxBytes = d.Sint()
		case 6:
			d.Embedded(c.Policy.decode)
		}
	}
	return d.Err()
}

func (c *RenewWork) appendBody(b []byte) []byte {
	return wire.AppendSint(c.Holder.append(b), 4, c.LeaseMillis)
}

func (c *RenewWork) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1, 2, 3:
			c.decodeField(d)
		case 4:
			c.LeaseMillis = d.Sint()
		}
	}
	return d.Err()
}

func (c *FailWork) appendBody(b []byte) []byte {
	b = c.Holder.append(b)
	b = wire.AppendString(b, 4, c.Cause)
	b = appendObjectIDs(b, 5, c.Damaged)
	return wire.AppendMessage(b, 6, c.Policy.append)
}

func (c *FailWork) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1, 2, 3:
			c.decodeField(d)
		case 4:
			c.Cause = d.String()
		case 5:
			c.Damaged = append(c.Damaged, decodeObjectID(d))
		case 6:
			d.Embedded(c.Policy.decode)
		}
	}
	return d.Err()
}

func (c *PlanCompaction) appendBody(b []byte) []byte {
	for _, p := range c.Partitions {
		b = wire.AppendMessage(b, 1, func(b []byte) []byte {
			b = wire.AppendSint(appendPartition(b, p.Partition), 3, p.MinLagMillis)
			return wire.AppendSint(b, 4, p.DeleteRetentionMillis)
		})
	}
	return b
}

func (c *PlanCompaction) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		if d.Field() != 1 {
			continue
		}
		var p CompactionPlan
		d.Embedded(func(d *wire.Decoder) error {
			return decodePartition(d, &p.Partition, func(field int) {
				switch field {
				case 3:
					p.MinLagMillis = d.Sint()
				case 4:
					p.DeleteRetentionMillis = d.Sint()
				}
			})
		})
		c.Partitions = append(c.Partitions, p)
	}
	return d.Err()
}

func (c *RetryWork) appendBody(b []byte) []byte { return wire.AppendSint(b, 1, int64(c.WorkKind)) }

func (c *RetryWork) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		if d.Field() == 1 {
			c.WorkKind = rpc.WorkKind(d.Sint())
		}
	}
	return d.Err()
}

func appendObjectIDs(b []byte, field int, ids []kafka.ObjectID) []byte {
	for _, id := range ids {
		b = wire.AppendMessage(b, field, func(b []byte) []byte { return wire.AppendSint(wire.AppendSint(b, 1, id.Epoch), 2, id.Sequence) })
	}
	return b
}

func decodeObjectID(d *wire.Decoder) (id kafka.ObjectID) {
	d.Embedded(func(d *wire.Decoder) error {
		for d.Next() {
			switch d.Field() {
			case 1:
				id.Epoch = d.Sint()
			case 2:
				id.Sequence = d.Sint()
			}
		}
		return d.Err()
	})
	return id
}
