// Package clustercontroller is the quorum controller of the Metadata Kafka Cluster: it creates, lists, describes and deletes Inkless clusters and says which Raft
// group stores each of their partitions.
//
// # Contract
//   - Order: each call is one command of __cluster_metadata.
//   - Secrets: a password is made here, told once, and never kept or logged; the topic has its SCRAM credential.
//   - Concurrency: all methods may be called by many.
//   - Failure: kerr.NotCoordinator where this node does not lead; kafka.ErrUnknownOutcome when a change may have happened.
package clustercontroller
