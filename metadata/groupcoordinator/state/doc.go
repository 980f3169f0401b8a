// Package state is the replicated half of the Group Coordinator: which groups exist, their last generation with its
// assignment, and the offsets they committed. Who is alive and which rebalance is going on is not replicated; the
// leader keeps that in memory (package classic), as Kafka does.
//
// # Contract
//   - Order: commands apply in log order. A generation never goes back: a SaveGroup or a commit that is older than the saved generation
//     is refused, however late it arrives.
//   - Bytes: keys and values of records are Kafka's own (OffsetCommit key 1, value 1 or 4; GroupMetadata key 2, value 3), so Kafka's
//     formatters decode the topic. The state holds the same value bytes. Equal commands make equal bytes on every replica.
//   - Concurrency: none; the log calls Apply from one goroutine. Read functions take any statestore.Reader.
//   - Failure: a command that does not decode, or comes from a newer release, returns an error that wraps raftlog.ErrHalt. A value in the
//     state that does not decode panics with *statestore.Failure, as a damaged disk does.
package state
