package kafka

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// ClusterID names one Inkless cluster (a tenant of a Metadata Kafka Cluster). It comes first in every key,
// object name and log line.
type ClusterID string

// TopicID is a topic's unique id (KIP-516). An id is never reused, not even for a topic of the same name.
type TopicID [16]byte

// String prints the id as Kafka does: URL-safe base64 without padding.
func (id TopicID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// ParseTopicID reads what String prints.
func ParseTopicID(s string) (TopicID, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != len(TopicID{}) {
		return TopicID{}, fmt.Errorf("topic id %q: want 22 characters of URL-safe base64", s)
	}
	return TopicID(b), nil
}

// IsZero says whether the id is the zero UUID, which no topic has.
func (id TopicID) IsZero() bool { return id == TopicID{} }

// TopicPartition names a partition by its topic's name, which may be reused after a deletion.
type TopicPartition struct {
	Topic     string
	Partition int32
}

func (tp TopicPartition) String() string { return fmt.Sprintf("%s-%d", tp.Topic, tp.Partition) }

// TopicIDPartition names a partition for ever.
type TopicIDPartition struct {
	ID        TopicID
	Partition int32
}

func (tp TopicIDPartition) String() string { return fmt.Sprintf("%s-%d", tp.ID, tp.Partition) }

// ObjectID names one object in a cluster's object storage: the epoch of the broker that uploaded it (unique in
// the cluster, for the controller hands each epoch out once) and that broker's own sequence, from 0, without gaps.
type ObjectID struct {
	Epoch    int64
	Sequence int64
}

// Key is the object's name below the bucket's prefix. The first folder spreads keys over prefixes; the rest
// says which cluster, which broker epoch and which upload, so that a sweep can list one epoch exactly.
func (id ObjectID) Key(cluster ClusterID) string {
	return fmt.Sprintf("%s/%s/%016x/%016x.ink", cluster, hex.EncodeToString([]byte{spread(id)}), uint64(id.Epoch), uint64(id.Sequence))
}

// ParseObjectKey is the object that a key below the bucket's prefix names; false for everything that is no key of the cluster's objects.
func ParseObjectKey(cluster ClusterID, key string) (ObjectID, bool) {
	var prefix byte
	var epoch, sequence uint64
	n, err := fmt.Sscanf(strings.TrimPrefix(key, string(cluster)), "/%02x/%016x/%016x.ink", &prefix, &epoch, &sequence)
	id := ObjectID{Epoch: int64(epoch), Sequence: int64(sequence)}
	return id, err == nil && n == 3 && id.Key(cluster) == key
}

// EpochPrefixes are the folders that hold every object of a broker epoch.
func EpochPrefixes(cluster ClusterID, epoch int64) []string {
	prefixes := make([]string, 16)
	for i := range prefixes {
		prefixes[i] = fmt.Sprintf("%s/%02x/%016x/", cluster, i, uint64(epoch))
	}
	return prefixes
}

func (id ObjectID) String() string { return fmt.Sprintf("%d-%d", id.Epoch, id.Sequence) }

// Less orders objects by epoch and sequence.
func (id ObjectID) Less(other ObjectID) bool {
	if id.Epoch != other.Epoch {
		return id.Epoch < other.Epoch
	}
	return id.Sequence < other.Sequence
}

// spread is 4 bits, so that a sweep of one epoch lists 16 prefixes.
func spread(id ObjectID) byte {
	h := (uint64(id.Epoch)*0x9E3779B97F4A7C15 ^ uint64(id.Sequence)) * 0xBF58476D1CE4E5B9
	return byte(h >> 60)
}

// LeaderEpoch is the leader epoch of every diskless partition: there is no leader to change, so the epoch never
// does, and Metadata, Fetch, ListOffsets and OffsetForLeaderEpoch all answer this one value.
const LeaderEpoch int32 = 0
