// Package raftlogtest is a raftlog.Log for tests: one replica in memory that applies in Propose.
//
// # Contract
//   - Order: proposals apply in the order in which Propose is entered, also those that Hold keeps waiting.
//   - Bytes: commands are copied; records are kept as the state machine returned them.
//   - Concurrency: all methods may be called by many. It starts no goroutines, so it works in a synctest bubble.
//   - Failure: Inject fails the next proposals, applied or not; an error of Apply halts the log for good.
package raftlogtest
