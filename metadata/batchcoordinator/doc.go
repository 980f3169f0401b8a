// Package batchcoordinator is the Batch Coordinator: the leader of a partition of __batch_coordinates gives offsets to
// uploaded batches, finds them again, applies retention and hands out the deletion of objects. What it decides is in
// state; this package checks requests against __metadata, proposes, waits and answers.
//
// # Contract
//   - Order: commits are decided in the order of the log. Concurrent calls are proposed concurrently and share its fsync.
//   - Bytes: nothing of a request is kept after its answer.
//   - Concurrency: all methods may be called by many. Loops run on the leader only, from leadership gained to lost.
//   - Failure: kerr.NotCoordinator means that nothing was done. kafka.ErrUnknownOutcome is passed on, and the same request may
//     be sent again. Reads pass the log's read barrier: what they answer may be told to clients.
//   - Time: object deletion never depends on it for safety. A commit of a fenced epoch, or one that was acknowledged and
//     arrives again, is refused by the state machine.
package batchcoordinator
