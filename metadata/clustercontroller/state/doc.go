// Package state is the replicated state machine of the quorum controller: the Metadata cluster's nodes, the Inkless clusters, and which Raft group on which nodes
// stores each of their partitions. It is what __cluster_metadata shows.
//
// # Contract
//   - Order: commands apply in the log's order; every replica reaches the same bytes.
//   - Bytes: keys are 'c' + name, 'p' + topic + '/' + partition, 'n' + node id and 'g', the next Raft group; values are the topic's own records.
//   - Purity: time, ids and secrets come in the command.
//   - Failure: a command of a newer version halts the group; one that is refused changes nothing and says why in its result.
package state
