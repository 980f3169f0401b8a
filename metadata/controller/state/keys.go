package state

import (
	"encoding/binary"
	"strings"

	"github.com/inkwell-project/inkwell/kafka"
)

// The key space. Names of topics hold no zero byte, so that one ends them.
//
//	b <broker id>              the broker's record
//	c <type> <name>            the resource's settings record
//	l <coordinator>            how many partitions it owns, uint64
//	m next                     the offset of the next record, uint64
//	m partitions               how many partitions there are, uint64
//	n <name>                   the topic's id
//	p                          the producer ids record
//	s ended                    what was asked of object storage by broker processes that others have followed
//	s b<broker id>             what the broker's latest process asked, as it reported it
//	t <topic id>               the topic's record
//	u <unified name> 0 <name>  topics that would share a metric name
func topicKey(id kafka.TopicID) []byte { return append([]byte{'t'}, id[:]...) }
func nameKey(name string) []byte       { return append([]byte{'n'}, name...) }
func configKey(typ int8, name string) []byte {
	return append([]byte{'c', byte(typ)}, name...)
}
func brokerKey(id int32) []byte { return binary.BigEndian.AppendUint32([]byte{'b'}, uint32(id)) }
func loadKey(coordinator int32) []byte {
	return binary.BigEndian.AppendUint32([]byte{'l'}, uint32(coordinator))
}

var (
	producerIDsKey = []byte("p")
	nextKey        = []byte("m next")
	partitionsKey  = []byte("m partitions")
)

// unifiedPrefix is what names have in common that differ only in '.' and '_', which Kafka's metrics cannot tell apart.
func unifiedPrefix(name string) []byte {
	return append(append([]byte{'u'}, strings.ReplaceAll(name, ".", "_")...), 0)
}

func unifiedKey(name string) []byte { return append(unifiedPrefix(name), name...) }

// after is the first key that does not begin with prefix, whose last byte is never 255.
func after(prefix []byte) []byte {
	hi := append([]byte(nil), prefix...)
	hi[len(hi)-1]++
	return hi
}
