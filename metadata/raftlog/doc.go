// Package raftlog stores the partitions of the Metadata Kafka Cluster's topics: each is one Raft group with an fsynced
// log, a state on disk and the topic's records.
//
// # Contract
//   - Order: a group's commands are applied in the order of its log, and a topic's records are appended in that order. Groups know nothing of each other.
//   - Bytes: a command is copied when it is proposed; results, records and what they point to belong to
//     the log from then on and are not changed by anyone.
//   - Concurrency: one event loop owns Raft and the log, a few workers apply, one at a time for a group. Every method may be called by many.
//   - Failure: nothing is acknowledged before it is in the synced log of a quorum. A crash loses the state since its last flush, and the log replays exactly
//     that: the applied index is in the state's own batch. A state machine that cannot go on halts its group alone; a log that cannot be
//     written ends the node (Failed).
package raftlog
