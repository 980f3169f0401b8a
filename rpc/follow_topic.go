package rpc

import "context"

// TopicFollower tails a topic of the Metadata Kafka Cluster: __metadata into the broker's image, __batch_coordinates into its Cache Manager.
type TopicFollower interface {
	// FollowTopic returns records from req.Offset on, waiting up to req.MaxWaitMillis for the first. kerr.OffsetOutOfRange: the records were removed
	// (the answer is there, too, with StartOffset): the follower starts anew from there.
	FollowTopic(ctx context.Context, req *FollowTopicRequest) (*FollowTopicResponse, error)
}

// Topics that a broker follows. The node adds the cluster's name to find the real topic.
const (
	MetadataTopic         = "__metadata"
	BatchCoordinatesTopic = "__batch_coordinates"
)

// FollowTopicRequest is one long poll.
type FollowTopicRequest struct {
	Topic         string // MetadataTopic or BatchCoordinatesTopic
	Partition     int32
	Offset        int64
	MaxBytes      int32
	MaxWaitMillis int32
}

// FollowTopicResponse has whole records in offset order. NextOffset is the next one to ask for, above the last record's offset also when later
// records of a compacted topic are gone.
type FollowTopicResponse struct {
	StartOffset   int64
	HighWatermark int64
	NextOffset    int64
	Records       []TopicRecord
}

// TopicRecord is one record; a nil Value is a tombstone.
type TopicRecord struct {
	Offset          int64
	TimestampMillis int64
	Key, Value      []byte
}
