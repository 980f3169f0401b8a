// Package metadata is the central half: a node of the Metadata Kafka Cluster, which serves many Inkless clusters. It wires the boxes of the design (batchcoordinator,
// controller, groupcoordinator, the replicated logs below them) for each cluster and owns their lifetimes.
//
// # Contract
//   - Order: a node opens its logs, then the cluster controller of __cluster_metadata, then the coordinators of each cluster that it finds there; Close goes the other way.
//   - Tenancy: a call carries the identity of its connection, never a cluster's name. Nothing here touches object storage.
//   - Concurrency: all methods may be called by many.
//   - Failure: a partition that halts answers with the reason and leaves its neighbours alone; a log that cannot be written fails the node (Failed).
package metadata
