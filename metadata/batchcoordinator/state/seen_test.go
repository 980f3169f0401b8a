package state

import (
	"reflect"
	"testing"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/metadata/statestore/memstore"
	"github.com/inkwell-project/inkwell/rpc"
)

// lookups counts the objects and results that were looked for in vain.
type lookups struct {
	statestore.Tx
	missed int
}

func (l *lookups) Get(key []byte) ([]byte, bool) {
	v, ok := l.Tx.Get(key)
	if !ok && (key[0] == prefixObject || key[0] == prefixResult) {
		l.missed++
	}
	return v, ok
}

// A new object is not looked for. One that comes late, behind a greater one of its broker, is, and one that is asked for again gets its first answer, whatever came between.
func TestNewObjectsAreNotLookedFor(t *testing.T) {
	const epoch = 7
	tx := &lookups{Tx: memstore.New()}
	m, index := New(), uint64(0)
	apply := func(c Command) any {
		index++
		r, _, err := m.Apply(tx, index, Encode(int64(1000+index), c))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	commit := func(acknowledged int64, sequences ...int64) []rpc.ObjectResult {
		c := &CommitObjects{Broker: 1, BrokerEpoch: epoch, AcknowledgedBelow: acknowledged, MetadataOffset: 5}
		for _, sequence := range sequences {
			c.Objects = append(c.Objects, rpc.ObjectCommit{Object: kafka.ObjectID{Epoch: epoch, Sequence: sequence}, ObjectBytes: 100, Coordinators: []int32{0}, Segments: []rpc.SegmentCommit{{
				Partition: kafka.TopicIDPartition{ID: kafka.TopicID{'a'}}, Batches: []rpc.BatchCommit{{Bytes: 100, Records: 1, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1}}}}})
		}
		r := apply(c).(CommitResult)
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		return r.Response.Objects
	}
	apply(&EnableWork{Level: 1, MaxCoordinates: 10, Policy: samplePolicy})
	commit(0, 3)
	first := commit(0, 5, 8)
	if tx.missed != 0 {
		t.Errorf("%d objects were looked for that could not be there", tx.missed)
	}
	commit(3, 6, 4)
	if tx.missed != 4 {
		t.Errorf("late objects and their results were looked for %d times, want 4", tx.missed)
	}
	if again := commit(3, 5, 8); !reflect.DeepEqual(again, first) {
		t.Errorf("asked again: %+v, at first %+v", again, first)
	}
	tx.missed = 0
	twice := commit(3, 9, 9)
	if tx.missed != 0 || !reflect.DeepEqual(twice[0], twice[1]) {
		t.Errorf("one object twice in a call: %+v, looked for %d times in vain", twice, tx.missed)
	}
	if p, _ := ReadPartition(tx, kafka.TopicIDPartition{ID: kafka.TopicID{'a'}}); p.HighWatermark != 6 {
		t.Errorf("6 objects of one record each make a high watermark of %d", p.HighWatermark)
	}
}
