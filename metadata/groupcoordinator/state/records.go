package state

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/metadata/raftlog"
)

// Versions of Kafka's own schemas, the ones that Kafka 4.3 writes.
const (
	offsetKeyVersion         = 1
	offsetValueVersion       = 4
	offsetValueExpireVersion = 1 // the only version with an expiry of its own
	groupKeyVersion          = 2
	groupValueVersion        = 3
)

func appendGroupValue(b []byte, v *kmsg.GroupMetadataValue) []byte {
	v.Version = groupValueVersion
	return v.AppendTo(b)
}

func encodeOffset(o *Offset, committedMillis int64) []byte {
	v := kmsg.NewOffsetCommitValue()
	v.Version = offsetValueVersion
	v.Offset = o.Offset
	v.LeaderEpoch = o.LeaderEpoch
	v.Metadata = o.Metadata
	v.CommitTimestamp = committedMillis
	v.TopicID = o.TopicID
	if o.ExpireTimestampMillis >= 0 {
		v.Version = offsetValueExpireVersion
		v.ExpireTimestamp = o.ExpireTimestampMillis
	}
	return v.AppendTo(nil)
}

// offsetRecord is a tombstone when value is nil.
func offsetRecord(timestampMillis int64, group, topic string, partition int32, value []byte) raftlog.Record {
	k := kmsg.NewOffsetCommitKey()
	k.Version, k.Group, k.Topic, k.Partition = offsetKeyVersion, group, topic, partition
	return raftlog.Record{TimestampMillis: timestampMillis, Key: k.AppendTo(nil), Value: value}
}

// groupRecord is a tombstone when value is nil.
func groupRecord(timestampMillis int64, group string, value []byte) raftlog.Record {
	k := kmsg.NewGroupMetadataKey()
	k.Version, k.Group = groupKeyVersion, group
	return raftlog.Record{TimestampMillis: timestampMillis, Key: k.AppendTo(nil), Value: value}
}
