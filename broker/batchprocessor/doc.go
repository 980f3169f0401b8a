// Package batchprocessor turns many small Produce requests into few large objects. Accepted batches wait in one open object; closed by size, by a free
// upload slot or by age it is PUT, and only then offered to the Batch Coordinators, which assign offsets. Producers are answered after that commit.
//
// # Contract
//   - Order: batches of one partition are committed in the order in which they were appended, so that a producer's batches keep theirs; an object
//     may overtake another one only where they share no partition. Commits of one coordinator partition are asked one call at a time, each with
//     all objects that are ready. What a producer sent behind a batch that was refused here is refused, too, until that one comes again (refused.go).
//   - Bytes: no record bytes are copied. A request's frame is retained until every object with a part of it is settled and its PUT has returned. Nothing
//     in an object changes once its PUT began. After the commit the sink sees the batches in memory, before any producer is answered.
//   - Concurrency: Append may be called by many and does no more than append pointers under the one lock (Processor.mu), which is never held over a
//     call to the outside. An object is built and PUT on a goroutine of its own; an idle Processor has no timer.
//   - Failure: a PUT that does not succeed in UploadTimeout is a definite failure (nothing was asked to be committed): KAFKA_STORAGE_ERROR, which producers retry, and
//     the object's sequence stays a gap that the sweep finds. A commit whose outcome is unknown is asked again, the same request, until it is known; meanwhile
//     producers whose timeout passes get REQUEST_TIMED_OUT and the object stays in the pipeline. A fenced epoch ends the Processor: NOT_LEADER_OR_FOLLOWER
//     for all, and the Fenced hook. The memory of all appended requests is bounded by MaxBufferedBytes: Append waits.
package batchprocessor
