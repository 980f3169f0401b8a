package topics

import (
	"fmt"
	"strconv"

	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/kafka"
)

// BatchCoordinatesVersion is the newest version of batch_coordinates.proto that this release reads and the one it writes.
const BatchCoordinatesVersion = 1

// BatchCoordinateRecord is a record of __batch_coordinates: *ObjectCommitted, *LogStartMoved, *TopicDeleted,
// *ObjectsReleased, *ObjectsDeleted, *BrokerFenced or *CoordinatesReplaced.
type BatchCoordinateRecord interface {
	// BatchCoordinateKey is the record's readable key.
	BatchCoordinateKey() []byte
	kind() int // the record's field in the oneof
	appendBody(b []byte) []byte
	decodeBody(d *wire.Decoder) error
}

// AppendBatchCoordinate appends r's value to b.
func AppendBatchCoordinate(b []byte, r BatchCoordinateRecord) []byte {
	b = wire.AppendUint(b, 1, BatchCoordinatesVersion)
	return wire.AppendMessage(b, r.kind(), r.appendBody)
}

// DecodeBatchCoordinate reads a record's value. The key holds nothing that the value does not. Nothing aliases value.
func DecodeBatchCoordinate(value []byte) (BatchCoordinateRecord, error) {
	var r BatchCoordinateRecord
	var version uint64
	d := wire.NewDecoder(value)
	for d.Next() {
		if d.Field() == 1 {
			version = d.Uint()
			continue
		}
		if version > BatchCoordinatesVersion {
			break
		}
		if next := newBatchCoordinate(d.Field()); next != nil {
			r = next
			d.Embedded(next.decodeBody)
		}
	}
	switch {
	case version > BatchCoordinatesVersion:
		return nil, fmt.Errorf("__batch_coordinates record of version %d: %w", version, ErrNewerVersion)
	case d.Err() != nil:
		return nil, fmt.Errorf("__batch_coordinates record: %w: %w", ErrCorrupt, d.Err())
	case version == 0 || r == nil:
		return nil, fmt.Errorf("__batch_coordinates record without a version or a body: %w", ErrCorrupt)
	}
	return r, nil
}

func newBatchCoordinate(field int) BatchCoordinateRecord {
	switch field {
	case 2:
		return &ObjectCommitted{}
	case 3:
		return &LogStartMoved{}
	case 4:
		return &TopicDeleted{}
	case 5:
		return &ObjectsReleased{}
	case 6:
		return &ObjectsDeleted{}
	case 7:
		return &BrokerFenced{}
	case 8:
		return &CoordinatesReplaced{}
	}
	return nil
}

func (*ObjectCommitted) kind() int { return 2 }
func (*LogStartMoved) kind() int   { return 3 }
func (*TopicDeleted) kind() int    { return 4 }
func (*ObjectsReleased) kind() int { return 5 }
func (*ObjectsDeleted) kind() int  { return 6 }
func (*BrokerFenced) kind() int    { return 7 }

func (*CoordinatesReplaced) kind() int { return 8 }

// BatchCoordinateKey is object/<epoch>-<sequence>.
func (r *ObjectCommitted) BatchCoordinateKey() []byte { return objectKey(r.Object) }

// BatchCoordinateKey is partition/<topic id>/<partition>.
func (r *LogStartMoved) BatchCoordinateKey() []byte { return partitionKey(r.Partition) }

// BatchCoordinateKey is partition/<topic id>/<partition>.
func (r *CoordinatesReplaced) BatchCoordinateKey() []byte { return partitionKey(r.Partition) }

func partitionKey(tp kafka.TopicIDPartition) []byte {
	b := append(make([]byte, 0, 48), "partition/"...)
	b = append(append(b, tp.ID.String()...), '/')
	return strconv.AppendInt(b, int64(tp.Partition), 10)
}

// BatchCoordinateKey is topic/<topic id>.
func (r *TopicDeleted) BatchCoordinateKey() []byte { return []byte("topic/" + r.ID.String()) }

// BatchCoordinateKey names the first of the objects.
func (r *ObjectsReleased) BatchCoordinateKey() []byte { return firstObjectKey(r.Objects) }

// BatchCoordinateKey names the first of the objects.
func (r *ObjectsDeleted) BatchCoordinateKey() []byte { return firstObjectKey(r.Objects) }

// BatchCoordinateKey is broker/<id>.
func (r *BrokerFenced) BatchCoordinateKey() []byte {
	return strconv.AppendInt([]byte("broker/"), int64(r.Broker), 10)
}

func firstObjectKey(objects []kafka.ObjectID) []byte {
	if len(objects) == 0 {
		return []byte("object/")
	}
	return objectKey(objects[0])
}

func objectKey(id kafka.ObjectID) []byte {
	b := append(make([]byte, 0, 48), "object/"...)
	b = append(strconv.AppendInt(b, id.Epoch, 10), '-')
	return strconv.AppendInt(b, id.Sequence, 10)
}
