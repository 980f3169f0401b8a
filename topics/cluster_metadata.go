package topics

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/kafka"
)

// The records of __cluster_metadata, a compacted topic about the Metadata Kafka Cluster itself. Key forms:
//
//	metadata-cluster                MetadataCluster
//	node/<node id>                  Node
//	cluster/<name>                  InklessCluster
//	feature/<name>                  FeatureLevel
//	placement/<topic>/<partition>   PartitionPlacement; a tombstone says that the partition's cluster was deleted

// Node is one metadata node.
type Node struct {
	ID            int32
	RaftAddress   string // where the other nodes reach it; empty while there is one node
	Rack          string
	Version       string
	Listeners     []BrokerListener // where brokers and administrators reach it
	CreatedMillis int64
	State         NodeState
	DirectoryID   string // of its data folder, for ever; another folder under the id is refused
	ReplacedBy    int32  // the node that took its replicas over, where it was replaced
	FeatureLevel  int32  // the highest level of MetadataFeature that it can serve; 0 in records of nodes that know the first only
	// NextDirectoryID, where it is set, says that the node lost the Raft log of its folder DirectoryID, and with it what it had promised. It may hold no replica, and none may count
	// on it, until nothing is placed on it any more; then it comes back with an empty folder of this id.
	NextDirectoryID string
}

// Lost says whether the node has no log that anybody may count on.
func (r *Node) Lost() bool { return r.NextDirectoryID != "" }

// MayHold says whether the node may be given replicas.
func (r *Node) MayHold() bool { return r.State == NodeActive && !r.Lost() }

// Condition is the state as it is shown.
func (r *Node) Condition() string {
	switch {
	case !r.Lost() || r.State == NodeRemoved:
		return r.State.String()
	case r.State == NodeActive:
		return "lost"
	}
	return r.State.String() + ", lost"
}

// NodeState says what a node is there for.
type NodeState int8

// The states of a node.
const (
	NodeActive NodeState = iota // it may be given replicas
	// NodeDraining: its replicas and leaders move away, and it gets no new ones.
	NodeDraining
	// NodeRemoved: it is no member any more, and its id is never used again.
	NodeRemoved
)

func (s NodeState) String() string {
	switch s {
	case NodeActive:
		return "active"
	case NodeDraining:
		return "draining"
	case NodeRemoved:
		return "removed"
	}
	return "state " + strconv.Itoa(int(s))
}

// MetadataCluster is the Metadata Kafka Cluster itself.
type MetadataCluster struct {
	ID            string // cluster.id: 22 characters of URL-safe base64, made at random by the first node
	CreatedMillis int64
}

// ClusterState says how far the life of an Inkless cluster is.
type ClusterState int8

// The states of a cluster.
const (
	ClusterActive ClusterState = iota + 1
	// ClusterDeleted: its partitions are gone. The record stays, because objects in its store carry its name and epochs: a second
	// cluster of the name would hand out the same epochs again.
	ClusterDeleted
	// ClusterSuspended: its brokers stay known, and everything that produces, consumes or changes it is refused until it is resumed.
	ClusterSuspended
)

func (s ClusterState) String() string {
	switch s {
	case ClusterActive:
		return "active"
	case ClusterDeleted:
		return "deleted"
	case ClusterSuspended:
		return "suspended"
	}
	return "state " + strconv.Itoa(int(s))
}

// InklessCluster is one tenant.
type InklessCluster struct {
	Name                       kafka.ClusterID
	UUID                       string // what its clients see as cluster.id: 22 characters of URL-safe base64
	CreatedMillis              int64
	BatchCoordinatorPartitions int32
	GroupCoordinatorPartitions int32
	State                      ClusterState
	Credential                 ScramCredential // of the principal that its brokers authenticate as
	Limits                     ClusterLimits
	// Nodes are those that hold its partitions, or are to hold them: all partitions of a cluster are on the same nodes. Empty in records of the first releases:
	// where its partitions are.
	Nodes []int32
}

// ScramCredential is what a server keeps of a password (SCRAM-SHA-512, RFC 5802). It is a secret.
type ScramCredential struct {
	Salt       []byte
	Iterations int32
	StoredKey  []byte
	ServerKey  []byte
}

// String hides the keys from logs.
func (c ScramCredential) String() string {
	return fmt.Sprintf("SCRAM-SHA-512(iterations=%d, [hidden])", c.Iterations)
}

// GoString hides the keys from %#v.
func (c ScramCredential) GoString() string { return c.String() }

// PartitionPlacement says which Raft group stores a partition of a topic on the Metadata Kafka Cluster, and on which nodes.
type PartitionPlacement struct {
	Topic     string
	Partition int32
	RaftGroup uint64 // never reused; 1 is __cluster_metadata itself
	// Voters hold the partition; the first is the one that had better lead it. While a move is under way they are those of before.
	Voters []int32
	// Target are the voters that a move leads to; empty while there is none.
	Target []int32
	// Move counts the moves that were begun.
	Move uint64
}

// Holds says whether a node has the partition, or is to have it.
func (r *PartitionPlacement) Holds(node int32) bool {
	return slices.Contains(r.Voters, node) || slices.Contains(r.Target, node)
}

// ClusterMetadataVersion is the newest version of cluster_metadata.proto that this release reads and the one it writes.
const ClusterMetadataVersion = 1

// ClusterMetadataRecord is a record of __cluster_metadata: *MetadataCluster, *Node, *InklessCluster, *PartitionPlacement or *FeatureLevel.
type ClusterMetadataRecord interface {
	// ClusterMetadataKey is the record's readable key.
	ClusterMetadataKey() []byte
	kind() int
	appendBody(b []byte) []byte
	decodeBody(d *wire.Decoder) error
}

// ClusterMetadataKey is metadata-cluster: there is one.
func (r *MetadataCluster) ClusterMetadataKey() []byte { return []byte("metadata-cluster") }

// ClusterMetadataKey is node/<id>.
func (r *Node) ClusterMetadataKey() []byte {
	return strconv.AppendInt([]byte("node/"), int64(r.ID), 10)
}

// ClusterMetadataKey is cluster/<name>.
func (r *InklessCluster) ClusterMetadataKey() []byte { return []byte("cluster/" + string(r.Name)) }

// ClusterMetadataKey is placement/<topic>/<partition>.
func (r *PartitionPlacement) ClusterMetadataKey() []byte {
	return strconv.AppendInt([]byte("placement/"+r.Topic+"/"), int64(r.Partition), 10)
}

func (*Node) kind() int               { return 2 }
func (*InklessCluster) kind() int     { return 3 }
func (*PartitionPlacement) kind() int { return 4 }
func (*MetadataCluster) kind() int    { return 5 }

// AppendClusterMetadata appends r's value to b.
func AppendClusterMetadata(b []byte, r ClusterMetadataRecord) []byte {
	b = wire.AppendUint(b, 1, ClusterMetadataVersion)
	return wire.AppendMessage(b, r.kind(), r.appendBody)
}

// DecodeClusterMetadata reads a record's value. Nothing aliases value.
func DecodeClusterMetadata(value []byte) (ClusterMetadataRecord, error) {
	var r ClusterMetadataRecord
	version, err := decodeValue(value, ClusterMetadataVersion, func(d *wire.Decoder) {
		var next ClusterMetadataRecord
		switch d.Field() {
		case 2:
			next = &Node{}
		case 3:
			next = &InklessCluster{}
		case 4:
			next = &PartitionPlacement{}
		case 5:
			next = &MetadataCluster{}
		case 10:
			next = &FeatureLevel{}
		default:
			return
		}
		r = next
		d.Embedded(next.decodeBody)
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s record: %w", ClusterMetadata, err)
	case version == 0 || r == nil:
		return nil, fmt.Errorf("%s record without a version or a body: %w", ClusterMetadata, ErrCorrupt)
	}
	return r, nil
}
