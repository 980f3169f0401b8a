package state

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// Machine applies commands. It holds nothing: everything is in the state store.
type Machine struct{}

var _ raftlog.StateMachine = Machine{}

// Result is what Apply answers the proposer.
type Result struct {
	Err     *kerr.Error // nil: done
	Deleted int         // offsets that were removed
}

// Apply implements raftlog.StateMachine.
func (Machine) Apply(tx statestore.Tx, _ uint64, command []byte) (any, []raftlog.Record, error) {
	c, err := Decode(command)
	if err != nil {
		return nil, nil, err
	}
	var result Result
	var records []raftlog.Record
	switch c := c.(type) {
	case *CommitOffsets:
		result, records = commitOffsets(tx, c)
	case *SaveGroup:
		result, records = saveGroup(tx, c)
	case *DeleteGroup:
		result, records = deleteGroup(tx, c)
	case *DeleteOffsets:
		result, records = deleteOffsets(tx, c)
	}
	return result, records, nil
}

func commitOffsets(tx statestore.Tx, c *CommitOffsets) (Result, []raftlog.Record) {
	if c.Generation >= 0 {
		switch saved, exists := savedGeneration(tx, c.Group); {
		case !exists:
			return Result{Err: kerr.GroupIDNotFound}, nil
		case c.Generation < saved:
			return Result{Err: kerr.IllegalGeneration}, nil
		}
	}
	records := make([]raftlog.Record, 0, len(c.Offsets))
	for i := range c.Offsets {
		o := &c.Offsets[i]
		value := encodeOffset(o, c.TimestampMillis)
		tx.Set(offsetKey(c.Group, o.Topic, o.Partition), value)
		records = append(records, offsetRecord(c.TimestampMillis, c.Group, o.Topic, o.Partition, value))
	}
	return Result{}, records
}

func saveGroup(tx statestore.Tx, c *SaveGroup) (Result, []raftlog.Record) {
	if saved, exists := savedGeneration(tx, c.Group); exists && c.Value.Generation < saved {
		return Result{Err: kerr.IllegalGeneration}, nil // a late write of an earlier leader
	}
	value := appendGroupValue(nil, &c.Value)
	tx.Set(groupKey(c.Group), value)
	return Result{}, []raftlog.Record{groupRecord(c.TimestampMillis, c.Group, value)}
}

func deleteGroup(tx statestore.Tx, c *DeleteGroup) (Result, []raftlog.Record) {
	saved, exists := ReadGroup(tx, c.Group)
	if c.OnlyIfUnused && (HasOffsets(tx, c.Group) || exists && len(saved.Members) > 0) {
		return Result{Err: kerr.NonEmptyGroup}, nil
	}
	var records []raftlog.Record
	ScanOffsets(tx, c.Group, func(o StoredOffset) bool {
		records = append(records, offsetRecord(c.TimestampMillis, c.Group, o.Topic, o.Partition, nil))
		return true
	})
	result := Result{Deleted: len(records)}
	if result.Deleted > 0 {
		prefix := offsetsPrefix(c.Group)
		tx.DeleteRange(prefix, after(prefix))
	}
	if exists {
		tx.Delete(groupKey(c.Group))
		records = append(records, groupRecord(c.TimestampMillis, c.Group, nil))
	}
	if len(records) == 0 {
		result.Err = kerr.GroupIDNotFound
	}
	return result, records
}

func deleteOffsets(tx statestore.Tx, c *DeleteOffsets) (Result, []raftlog.Record) {
	var records []raftlog.Record
	for i := range c.Offsets {
		k := &c.Offsets[i]
		key := offsetKey(k.Group, k.Topic, k.Partition)
		raw, exists := tx.Get(key)
		if !exists {
			continue
		}
		// A newer commit than the one that was judged expired stays.
		if k.CommittedAtMillis >= 0 && decodeOffset(raw).CommitTimestamp != k.CommittedAtMillis {
			continue
		}
		tx.Delete(key)
		records = append(records, offsetRecord(c.TimestampMillis, k.Group, k.Topic, k.Partition, nil))
	}
	return Result{Deleted: len(records)}, records
}
