package state

import (
	"bytes"
	"encoding/binary"
)

// The key space:
//
//	g <group>                          the group's metadata, Kafka's GroupMetadataValue
//	o <group> <topic> <partition>      a committed offset, Kafka's OffsetCommitValue
//
// Names are escaped so that no name is the beginning of another: 0 becomes 0 255, and 0 1 ends the name. The order of names is kept.
const (
	groupPrefix  = 'g'
	offsetPrefix = 'o'
)

func appendName(b []byte, name string) []byte {
	for i := range len(name) {
		b = append(b, name[i])
		if name[i] == 0 {
			b = append(b, 255)
		}
	}
	return append(b, 0, 1)
}

// cutName reads what appendName wrote.
func cutName(b []byte) (name string, rest []byte, ok bool) {
	var out []byte
	for {
		i := bytes.IndexByte(b, 0)
		if i < 0 || i+1 == len(b) {
			return "", nil, false
		}
		if out = append(out, b[:i]...); b[i+1] == 1 {
			return string(out), b[i+2:], true
		}
		out, b = append(out, 0), b[i+2:]
	}
}

func groupKey(group string) []byte {
	return appendName([]byte{groupPrefix}, group)
}

func offsetsPrefix(group string) []byte {
	return appendName([]byte{offsetPrefix}, group)
}

func offsetKey(group, topic string, partition int32) []byte {
	return binary.BigEndian.AppendUint32(appendName(offsetsPrefix(group), topic), uint32(partition))
}

// parseOffsetKey reads what offsetKey wrote.
func parseOffsetKey(key []byte) (group, topic string, partition int32, ok bool) {
	group, rest, ok := cutName(key[1:])
	if !ok {
		return "", "", 0, false
	}
	topic, rest, ok = cutName(rest)
	if !ok || len(rest) != 4 {
		return "", "", 0, false
	}
	return group, topic, int32(binary.BigEndian.Uint32(rest)), true
}

// after is the first key that does not begin with prefix, whose last byte is never 255.
func after(prefix []byte) []byte {
	hi := bytes.Clone(prefix)
	hi[len(hi)-1]++
	return hi
}
