// Package state is the replicated half of a cluster's Controller: its topics with the coordinator partition of each of their partitions, dynamic
// settings, broker registrations and producer ids. What Apply stores and what __metadata shows are the same bytes.
//
// # Contract
//   - Order: commands apply in log order. The machine counts the records that it returned, so it knows the offset of the next one: a broker's epoch
//     is the offset of the record that registered it.
//   - Bytes: state values are the topic's record values. Equal commands make equal bytes on every replica.
//   - Concurrency: none; the log calls Apply from one goroutine. Read functions take any statestore.Reader.
//   - Failure: rules that a later release may change (names, values of settings) are checked by the leader before it proposes; Apply decides only
//     what depends on the state. A setting is changed only if it still is what the leader saw. A command that does not decode, or comes from a newer release,
//     returns an error that wraps raftlog.ErrHalt; a value in the state that does not decode panics with *statestore.Failure.
package state
