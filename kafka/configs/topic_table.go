package configs

import "strings"

var compressionTypes = []string{"uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"}

// topicTable has the settings of a topic. "No effect" marks those that are about a broker's disk, its replicas or tiered storage.
var topicTable = []Definition{
	{Name: "cleanup.policy", Type: List, Default: value("delete"), Broker: "log.cleanup.policy", check: listOf("compact", "delete"),
		Doc: "What happens to old records: delete them by time and size, compact them by key, or both."},
	{Name: "compression.gzip.level", Type: Int, Default: value("-1"), Broker: "compression.gzip.level", check: gzipLevel,
		Doc: "No effect: batches stay as the producer compressed them."},
	{Name: "compression.lz4.level", Type: Int, Default: value("9"), Broker: "compression.lz4.level", check: between(1, 17),
		Doc: "No effect: batches stay as the producer compressed them."},
	{Name: "compression.type", Type: String, Default: value("producer"), Broker: "compression.type", check: oneOf(compressionTypes...),
		Doc: "The codec of stored batches. Accepted for compatibility: batches stay as the producer compressed them."},
	{Name: "compression.zstd.level", Type: Int, Default: value("3"), Broker: "compression.zstd.level", check: between(-131072, 22),
		Doc: "No effect: batches stay as the producer compressed them."},
	{Name: "delete.retention.ms", Type: Long, Default: value("86400000"), Broker: "log.cleaner.delete.retention.ms", check: atLeast(0),
		Doc: "How long a compacted topic keeps tombstones."},
	{Name: "file.delete.delay.ms", Type: Long, Default: value("60000"), Broker: "log.segment.delete.delay.ms", check: atLeast(0),
		Doc: "No effect: objects are deleted once nothing refers to them."},
	{Name: "flush.messages", Type: Long, Default: value("9223372036854775807"), Broker: "log.flush.interval.messages", check: atLeast(1),
		Doc: "No effect: a batch is acknowledged when it is in the object store."},
	{Name: "flush.ms", Type: Long, Default: value("9223372036854775807"), Broker: "log.flush.interval.ms", check: atLeast(0),
		Doc: "No effect: a batch is acknowledged when it is in the object store."},
	{Name: "follower.replication.throttled.replicas", Type: List, Default: value(""), check: throttledReplicas,
		Doc: "No effect: partitions have no followers."},
	{Name: "index.interval.bytes", Type: Int, Default: value("4096"), Broker: "log.index.interval.bytes", check: atLeast(0),
		Doc: "No effect: brokers keep no index files."},
	{Name: "leader.replication.throttled.replicas", Type: List, Default: value(""), check: throttledReplicas,
		Doc: "No effect: partitions have no followers."},
	{Name: "local.retention.bytes", Type: Long, Default: value("-2"), Broker: "log.local.retention.bytes", check: atLeast(-2),
		Doc: "No effect: nothing is kept on a broker's disk."},
	{Name: "local.retention.ms", Type: Long, Default: value("-2"), Broker: "log.local.retention.ms", check: atLeast(-2),
		Doc: "No effect: nothing is kept on a broker's disk."},
	{Name: "max.compaction.lag.ms", Type: Long, Default: value("9223372036854775807"), Broker: "log.cleaner.max.compaction.lag.ms", check: atLeast(1),
		Doc: "The longest that a record stays uncompacted."},
	{Name: "max.message.bytes", Type: Int, Default: value("1048588"), Broker: "message.max.bytes", check: atLeast(0),
		Doc: "The largest record batch that a producer may send, after compression."},
	{Name: "message.timestamp.after.max.ms", Type: Long, Default: value("3600000"), Broker: "log.message.timestamp.after.max.ms", check: atLeast(0),
		Doc: "How far a record's timestamp may be ahead of the broker's time, with CreateTime."},
	{Name: "message.timestamp.before.max.ms", Type: Long, Default: value("9223372036854775807"), Broker: "log.message.timestamp.before.max.ms", check: atLeast(0),
		Doc: "How far a record's timestamp may be behind the broker's time, with CreateTime."},
	{Name: "message.timestamp.type", Type: String, Default: value("CreateTime"), Broker: "log.message.timestamp.type", check: oneOf("CreateTime", "LogAppendTime"),
		Doc: "Whether a record's timestamp is the producer's or that of the append."},
	{Name: "min.cleanable.dirty.ratio", Type: Double, Default: value("0.5"), Broker: "log.cleaner.min.cleanable.ratio", check: between(0, 1),
		Doc: "The share of a log that must be dirty before it is compacted."},
	{Name: "min.compaction.lag.ms", Type: Long, Default: value("0"), Broker: "log.cleaner.min.compaction.lag.ms", check: atLeast(0),
		Doc: "The shortest that a record stays uncompacted."},
	{Name: "min.insync.replicas", Type: Int, Default: value("1"), Broker: "min.insync.replicas", check: atLeast(1),
		Doc: "Accepted for compatibility: an acknowledged batch is always in the object store."},
	{Name: "preallocate", Type: Boolean, Default: value("false"), Broker: "log.preallocate",
		Doc: "No effect: brokers have no log files."},
	{Name: "remote.log.copy.disable", Type: Boolean, Default: value("false"),
		Doc: "No effect: all records are in the object store."},
	{Name: "remote.log.delete.on.disable", Type: Boolean, Default: value("false"),
		Doc: "No effect: all records are in the object store."},
	{Name: "remote.storage.enable", Type: Boolean, Default: value("false"), check: notTiered,
		Doc: "Tiered storage. Only false is accepted: all records are in the object store without it."},
	{Name: "retention.bytes", Type: Long, Default: value("-1"), Broker: "log.retention.bytes",
		Doc: "A partition above this size loses its oldest records; -1 is no limit."},
	{Name: "retention.ms", Type: Long, Default: value("604800000"), Broker: "log.retention.ms", check: atLeast(-1),
		Doc: "Records older than this are deleted; -1 is no limit."},
	{Name: "segment.bytes", Type: Int, Default: value("1073741824"), Broker: "log.segment.bytes", check: atLeast(1 << 20),
		Doc: "No effect: records are deleted by object, not by segment file."},
	{Name: "segment.index.bytes", Type: Int, Default: value("10485760"), Broker: "log.index.size.max.bytes", check: atLeast(4),
		Doc: "No effect: brokers keep no index files."},
	{Name: "segment.jitter.ms", Type: Long, Default: value("0"), Broker: "log.roll.jitter.ms", check: atLeast(0),
		Doc: "No effect: records are deleted by object, not by segment file."},
	{Name: "segment.ms", Type: Long, Default: value("604800000"), Broker: "log.roll.ms", check: atLeast(1),
		Doc: "No effect: records are deleted by object, not by segment file."},
	{Name: "unclean.leader.election.enable", Type: Boolean, Default: value("false"), Broker: "unclean.leader.election.enable",
		Doc: "No effect: partitions have no leader to elect."},
}

// notTiered refuses as a Kafka broker does that has no tiered storage.
func notTiered(_ float64, value string) string {
	if strings.EqualFold(value, "true") {
		return "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage."
	}
	return ""
}
