// Package classic is Kafka's classic group protocol for one group, as the leading coordinator runs it in memory: members, the join and
// sync phases of a rebalance, sessions, static members. It is a deterministic machine: a method per event, and effects that the
// caller carries out (answers, timers, one kind of replicated write). Time and new member ids are handed in with the event.
//
// # Contract
//   - Order: after each event the caller takes the Effects and carries them out in order. Writes are replicated in the order they were
//     asked for; a fired timer whose id is not the latest of its key is ignored.
//   - Bytes: what the group keeps of a request is copied.
//   - Concurrency: none; the caller serialises the events of a group.
//   - Failure: every RequestID that was handed in is answered exactly once: at once, at the end of a phase, when its member is removed or
//     replaced, or by Close. An assignment goes out only after Saved reported that the write is replicated.
package classic
