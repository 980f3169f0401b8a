package state

import (
	"encoding/binary"

	"github.com/inkwell-project/inkwell/kafka"
)

const (
	prefixPartition  = 'p'
	prefixCoordinate = 'c'
	prefixTime       = 't'
	prefixProducer   = 'r'
	prefixObject     = 'o'
	prefixGarbage    = 'g'
	prefixLease      = 'l'
	prefixResult     = 'q'
	prefixEpoch      = 'e'
	prefixDeleted    = 'x'
	prefixScalar     = 'm'
	// Of the second feature level.
	prefixQueue    = 'w'
	prefixGroup    = 'b'
	prefixUpkeep   = 'u'
	prefixSweep    = 'z'
	prefixAgenda   = 'j'
	prefixDeadline = 'y'
	prefixEnded    = 'k'
)

const partitionKeyLen = 1 + 16 + 4

func appendPartitionKey(b []byte, prefix byte, tp kafka.TopicIDPartition) []byte {
	b = append(append(b, prefix), tp.ID[:]...)
	return binary.BigEndian.AppendUint32(b, uint32(tp.Partition))
}

// appendOffsetKey is a key below a partition, ordered by n, which is never negative.
func appendOffsetKey(b []byte, prefix byte, tp kafka.TopicIDPartition, n int64) []byte {
	return binary.BigEndian.AppendUint64(appendPartitionKey(b, prefix, tp), uint64(n))
}

func appendTopicKey(b []byte, prefix byte, id kafka.TopicID) []byte {
	return append(append(b, prefix), id[:]...)
}

func appendObjectKey(b []byte, prefix byte, id kafka.ObjectID) []byte {
	b = binary.BigEndian.AppendUint64(append(b, prefix), uint64(id.Epoch))
	return binary.BigEndian.AppendUint64(b, uint64(id.Sequence))
}

func appendNumberKey(b []byte, prefix byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(append(b, prefix), uint64(n))
}

func appendGarbageKey(b []byte, since int64, id kafka.ObjectID) []byte {
	b = appendNumberKey(b, prefixGarbage, max(since, 0))
	b = binary.BigEndian.AppendUint64(b, uint64(id.Epoch))
	return binary.BigEndian.AppendUint64(b, uint64(id.Sequence))
}

// numberAt reads the eight bytes of a key that begin at i.
func numberAt(key []byte, i int) int64 { return int64(binary.BigEndian.Uint64(key[i:])) }

// partitionOf reads the partition of a key that begins with one.
func partitionOf(key []byte) kafka.TopicIDPartition {
	return kafka.TopicIDPartition{ID: kafka.TopicID(key[1:17]), Partition: int32(binary.BigEndian.Uint32(key[17:]))}
}

// objectAt reads the object id of a key that begins at i.
func objectAt(key []byte, i int) kafka.ObjectID {
	return kafka.ObjectID{Epoch: numberAt(key, i), Sequence: numberAt(key, i+8)}
}

// after is the first key that does not begin with prefix. No prefix here is all 0xff.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}
