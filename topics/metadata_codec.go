package topics

import (
	"fmt"

	"github.com/inkwell-project/inkwell/internal/wire"
)

// MetadataVersion is the newest version of metadata.proto that this release reads and the one it writes.
const MetadataVersion = 1

// MetadataRecord is a record of __metadata: *Topic, *ConfigResource, *Broker, *ProducerIDs or *Feature.
type MetadataRecord interface {
	// Key names what the record is the truth about.
	Key() MetadataKey
	kind() int // the record's field in the oneof
	appendBody(b []byte) []byte
	decodeBody(d *wire.Decoder) error
}

// AppendMetadata appends r's value to b.
func AppendMetadata(b []byte, r MetadataRecord) []byte {
	b = wire.AppendUint(b, 1, MetadataVersion)
	return wire.AppendMessage(b, r.kind(), r.appendBody)
}

// DecodeMetadata reads a record's value; a tombstone has none, its key says what is gone. Nothing aliases value.
func DecodeMetadata(value []byte) (MetadataRecord, error) {
	var r MetadataRecord
	version, err := decodeValue(value, MetadataVersion, func(d *wire.Decoder) {
		if next := newMetadata(d.Field()); next != nil {
			r = next
			d.Embedded(next.decodeBody)
		}
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("__metadata record: %w", err)
	case version == 0 || r == nil:
		return nil, fmt.Errorf("__metadata record without a version or a body: %w", ErrCorrupt)
	}
	return r, nil
}

// decodeValue reads the version and hands every other field to body.
func decodeValue(value []byte, newest uint64, body func(*wire.Decoder)) (version uint64, err error) {
	d := wire.NewDecoder(value)
	for d.Next() {
		if d.Field() == 1 {
			if version = d.Uint(); version > newest {
				return version, fmt.Errorf("version %d: %w", version, ErrNewerVersion)
			}
			continue
		}
		body(d)
	}
	if d.Err() != nil {
		return version, fmt.Errorf("%w: %w", ErrCorrupt, d.Err())
	}
	return version, nil
}

func newMetadata(field int) MetadataRecord {
	switch field {
	case 2:
		return &Topic{}
	case 3:
		return &ConfigResource{}
	case 4:
		return &Broker{}
	case 5:
		return &ProducerIDs{}
	case 6:
		return &Feature{}
	}
	return nil
}

func (*Topic) kind() int          { return 2 }
func (*ConfigResource) kind() int { return 3 }
func (*Broker) kind() int         { return 4 }
func (*ProducerIDs) kind() int    { return 5 }
func (*Feature) kind() int        { return 6 }
