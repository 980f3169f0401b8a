// Package state is the Batch Coordinator's pure half: a partition of __batch_coordinates as a state machine. It gives
// offsets to the batches of uploaded objects, judges idempotent producers as Kafka does, and knows which objects are
// still referred to.
//
// # Contract
//   - Order: commands are applied in log order; within a command objects, segments and batches in the order given.
//   - Bytes: keys and values of the state are compact and versioned per value; a command keeps nothing of its bytes alive.
//   - Concurrency: none. A Machine belongs to one group; the functions of read.go only read and may run beside it on a view.
//   - Failure: a command of a newer version and damaged state end in an error that wraps raftlog.ErrHalt. Nothing else
//     fails: every refusal is a result.
//
// # State
//
//	'p' topic partition                 Partition: bounds, size, greatest timestamps
//	'c' topic partition last-offset     coordinate; by its last offset, so that one seek finds the one that holds an offset
//	't' topic partition timestamp       last offset of the coordinate whose max timestamp exceeds all before it
//	'r' topic partition producer        producer: epoch and the last five batches
//	'o' epoch sequence                  object: how many coordinates refer to it, or since when none does
//	'g' since epoch sequence            objects that nothing refers to and nobody has leased, oldest first
//	'l' lease                           objects leased to a broker for deletion
//	'q' epoch sequence                  result of a commit, until its uploader acknowledges it
//	'e' epoch                           broker epoch that committed here: its broker and what it acknowledged
//	'x' topic                           deleted topic id
//	'm' name                            scalars: last lease, last deadline, metadata offset, live broker epochs, why deletes fail
package state
