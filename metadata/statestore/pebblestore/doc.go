// Package pebblestore keeps the state of all Raft groups of one node in one Pebble database. Every group, and every
// kind of data within it, is a Space: a key prefix that its owner cannot leave.
//
// # Contract
//   - Order: batches become visible and durable in the order of their commits, each as a whole.
//   - Bytes: what is passed in is copied; what Get and Scan hand out stays as it is, and must not be changed.
//   - Concurrency: a Batch and a View belong to one goroutine, and a space has one writer at a time; everything else may be called by many.
//   - Failure: Pebble's own log is off, for the Raft log is the log. After a crash the store shows the state after some earlier
//     commit, never a part of one, so the applied index must be in the same batch as the state. Durable reads only what
//     no crash can take. A disk that fails a read or a commit panics with *statestore.Failure.
package pebblestore
