package state

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/topics"
)

// Machine applies commands. It holds nothing: everything is in the state store.
type Machine struct{}

var _ raftlog.StateMachine = Machine{}

// Error is why one part of a command was refused. The zero Error is success.
type Error struct {
	Err     *kerr.Error
	Message string
}

func refuse(err *kerr.Error, format string, args ...any) Error {
	return Error{Err: err, Message: fmt.Sprintf(format, args...)}
}

// Result is what Apply answers the proposer.
type Result struct {
	// Offset is that of the last record in the topic, this command's included.
	Offset int64
	Errors []Error // one for each part of the command, in its order
	// Epoch is the broker epoch of a RegisterBroker.
	Epoch int64
	// First is the first producer id of an AllocateProducerIDs.
	First int64
}

// change is one command's work: the state that it changes and the records that say so.
type change struct {
	statestore.Tx
	timestampMillis int64
	next            int64 // offset of the next record
	records         []raftlog.Record
	result          Result
}

// put stores a record and appends it to the topic.
func (c *change) put(key []byte, r topics.MetadataRecord) {
	value := topics.AppendMetadata(nil, r)
	c.Set(key, value)
	c.append(r.Key(), value)
}

// remove deletes a record and appends its tombstone.
func (c *change) remove(key []byte, k topics.MetadataKey) {
	c.Delete(key)
	c.append(k, nil)
}

func (c *change) append(k topics.MetadataKey, value []byte) {
	c.records = append(c.records, raftlog.Record{TimestampMillis: c.timestampMillis, Key: k.Bytes(), Value: value})
	c.next++
}

func (c *change) answer(e Error) { c.result.Errors = append(c.result.Errors, e) }

// Apply implements raftlog.StateMachine.
func (Machine) Apply(tx statestore.Tx, _ uint64, command []byte) (any, []raftlog.Record, error) {
	timestamp, decoded, err := Decode(command)
	if err != nil {
		return nil, nil, err
	}
	c := &change{Tx: tx, timestampMillis: timestamp, next: NextOffset(tx)}
	switch cmd := decoded.(type) {
	case *CreateTopics:
		c.createTopics(cmd)
	case *DeleteTopics:
		c.deleteTopics(cmd)
	case *CreatePartitions:
		c.createPartitions(cmd)
	case *SetConfigs:
		c.setConfigs(cmd)
	case *RegisterBroker:
		c.registerBroker(cmd)
	case *FenceBroker:
		c.fenceBroker(cmd)
	case *UnregisterBroker:
		c.unregisterBroker(cmd)
	case *AllocateProducerIDs:
		c.allocateProducerIDs(cmd)
	case *ReportCost:
		c.reportCost(cmd)
	}
	if len(c.records) > 0 {
		setNumber(tx, nextKey, uint64(c.next))
	}
	c.result.Offset = c.next - 1
	return c.result, c.records, nil
}
