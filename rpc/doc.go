// Package rpc holds every arrow between the broker half and the metadata half, one file per arrow: the requests, the
// answers and the one interface that the caller states and the callee implements.
//
// # Contract
//   - Scope: a MetadataCluster belongs to one Inkless cluster, fixed when the connection is authenticated (or when the
//     node hands it out in process). No request names a cluster.
//   - Carriers: the metadata node itself implements MetadataCluster for calls in process; rpc/client carries it over a
//     socket with private API keys and rpc/server hands it to the node there.
//   - Failure: errors are *kerr.Error (wrapped), kafka.ErrUnknownOutcome or a context's error. kerr.NotCoordinator means that
//     nothing was done and the leader is elsewhere. Callers retry; every request may arrive twice.
//   - Bytes: requests and answers belong to the caller. A callee keeps none of the slices after it answered, except where a method says so.
package rpc

// MetadataCluster is everything that a broker asks of the Metadata Kafka Cluster.
type MetadataCluster interface {
	ObjectCommitter
	SegmentFinder
	OffsetLister
	RecordDeleter
	PartitionDescriber
	WorkRequester
	WorkDescriber
	ObjectDescriber
	TopicFollower
	Forwarder
	ProducerIDAllocator
	CostReporter
	ClusterDescriber
	LeaderFinder
}
