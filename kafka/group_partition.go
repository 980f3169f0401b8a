package kafka

import "unicode/utf16"

// PartitionFor is the partition of __consumer_offsets, of n, whose coordinator owns group: Kafka's
// abs(group.hashCode()) % n, which every client library and tool may compute for itself.
func PartitionFor(group string, n int32) int32 {
	var hash int32 // of UTF-16 code units, as Java's String.hashCode
	for _, unit := range utf16.Encode([]rune(group)) {
		hash = 31*hash + int32(unit)
	}
	switch {
	case hash == -1<<31: // has no absolute value
		hash = 0
	case hash < 0:
		hash = -hash
	}
	return hash % n
}
