// Package groupcoordinator is the Group Coordinator of one partition of __consumer_offsets: Kafka's classic group protocol and committed
// offsets, for consumers and for a cluster's own brokers alike. Three parts: package state is what is replicated, package classic is one
// group's protocol as a deterministic machine, and this package is the shell that gives them clock, log, locks and callers.
//
// # Contract
//   - Order: the events of a group are handled one after the other. Its writes are replicated in the order of the events that caused them: a
//     commit that was validated in a generation is applied before the next generation is saved. Commits of one group, and all writes of
//     different groups, go on at the same time and share the log's batches.
//   - Bytes: what is kept of a request is copied; answers belong to the caller.
//   - Concurrency: Handle may be called by many. Lock order: cell.mu, then reign.mu; neither is held while the log or the store is waited for.
//   - Failure: not leading answers NOT_COORDINATOR, also to every parked request when leadership ends; while groups are loaded
//     COORDINATOR_LOAD_IN_PROGRESS. A write that is not known to be replicated answers COORDINATOR_NOT_AVAILABLE, as Kafka does; clients retry.
package groupcoordinator
