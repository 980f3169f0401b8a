package state

import (
	"encoding/binary"
	"fmt"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/topics"
)

// record reads one record of the state.
func record[R topics.MetadataRecord](r statestore.Reader, key []byte) (rec R, ok bool) {
	value, ok := r.Get(key)
	if !ok {
		return rec, false
	}
	return decode[R](key, value), true
}

func decode[R topics.MetadataRecord](key, value []byte) R {
	decoded, err := topics.DecodeMetadata(value)
	if err != nil {
		panic(&statestore.Failure{Op: fmt.Sprintf("read %q", key), Err: err})
	}
	rec, ok := decoded.(R)
	if !ok {
		panic(&statestore.Failure{Op: fmt.Sprintf("read %q", key), Err: fmt.Errorf("a %T is stored there", decoded)})
	}
	return rec
}

func number(r statestore.Reader, key []byte) uint64 {
	value, ok := r.Get(key)
	if !ok {
		return 0
	}
	if len(value) != 8 {
		panic(&statestore.Failure{Op: fmt.Sprintf("read %q", key), Err: fmt.Errorf("%d bytes, want 8", len(value))})
	}
	return binary.BigEndian.Uint64(value)
}

func setNumber(tx statestore.Tx, key []byte, n uint64) {
	tx.Set(key, binary.BigEndian.AppendUint64(nil, n))
}

// NextOffset is the offset that the next record will have.
func NextOffset(r statestore.Reader) int64 { return int64(number(r, nextKey)) }

// PartitionCount is the number of partitions of all topics.
func PartitionCount(r statestore.Reader) int64 { return int64(number(r, partitionsKey)) }

// TopicByID finds a topic.
func TopicByID(r statestore.Reader, id kafka.TopicID) (*topics.Topic, bool) {
	return record[*topics.Topic](r, topicKey(id))
}

// TopicByName finds a topic.
func TopicByName(r statestore.Reader, name string) (*topics.Topic, bool) {
	id, ok := r.Get(nameKey(name))
	if !ok {
		return nil, false
	}
	if len(id) != len(kafka.TopicID{}) {
		panic(&statestore.Failure{Op: "read the id of topic " + name, Err: fmt.Errorf("%d bytes, want 16", len(id))})
	}
	return TopicByID(r, kafka.TopicID(id))
}

// Colliding finds a topic whose name differs from name only in '.' and '_'.
func Colliding(r statestore.Reader, name string) (other string, ok bool) {
	prefix := unifiedPrefix(name)
	hi := append(append([]byte(nil), prefix[:len(prefix)-1]...), 1)
	r.Scan(prefix, hi, func(key, _ []byte) bool {
		other = string(key[len(prefix):])
		ok = other != name
		return !ok
	})
	return other, ok
}

// Settings are a resource's dynamic settings, sorted by name.
func Settings(r statestore.Reader, typ int8, name string) []topics.Setting {
	if c, ok := record[*topics.ConfigResource](r, configKey(typ, name)); ok {
		return c.Settings
	}
	return nil
}

// Broker finds a registration.
func Broker(r statestore.Reader, id int32) (*topics.Broker, bool) {
	return record[*topics.Broker](r, brokerKey(id))
}

// Brokers lists all registrations by id.
func Brokers(r statestore.Reader) (all []*topics.Broker) {
	prefix := []byte{'b'}
	r.Scan(prefix, after(prefix), func(key, value []byte) bool {
		all = append(all, decode[*topics.Broker](key, value))
		return true
	})
	return all
}

// nextProducerID is the first producer id that was not handed out yet.
func nextProducerID(r statestore.Reader) int64 {
	if p, ok := record[*topics.ProducerIDs](r, producerIDsKey); ok {
		return p.Next
	}
	return 0
}
