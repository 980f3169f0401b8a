package topics

import "github.com/inkwell-project/inkwell/kafka"

// ClusterMetadata is the one topic of the Metadata Kafka Cluster itself.
const ClusterMetadata = "__cluster_metadata"

// Prefixes of the topics that each Inkless cluster has; the cluster's name follows.
const (
	MetadataPrefix         = "__metadata."
	BatchCoordinatesPrefix = "__batch_coordinates."
	ConsumerOffsetsPrefix  = "__consumer_offsets."
)

// Metadata is the name of c's controller topic.
func Metadata(c kafka.ClusterID) string { return MetadataPrefix + string(c) }

// BatchCoordinates is the name of c's batch coordinate topic.
func BatchCoordinates(c kafka.ClusterID) string { return BatchCoordinatesPrefix + string(c) }

// ConsumerOffsets is the name of c's group coordinator topic.
func ConsumerOffsets(c kafka.ClusterID) string { return ConsumerOffsetsPrefix + string(c) }
