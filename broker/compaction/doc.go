// Package compaction runs the jobs that a Batch Coordinator leases to brokers: merge makes few large objects of many small ones, key compaction keeps the latest
// record of each key, delete removes objects that nothing refers to, sweep the uploads of fenced broker epochs that nobody committed.
//
// # Contract
//   - Order: each partition of __batch_coordinates is asked by two goroutines, one for what rewrites and one for what deletes; partitions are independent. At most
//     MaxConcurrentJobs rewrite at a time. A job writes whole outputs first, then completes its lease; only that changes what readers see.
//   - Bytes: a job reads in windows of MemoryBytes and writes in parts, so that its memory does not grow with what it rewrites. Every batch's length, magic, CRC and
//     offsets are checked before it is written. A merge changes base offsets (which become real) and append times, nothing else.
//   - Safety: an object is deleted only when every coordinator partition has released it; release is for ever. Outputs are deleted by the job itself only when the
//     coordinator never heard of them, or has refused them and does not know them. Everything else waits for the sweep.
//   - Concurrency: New starts the loops, Close ends them and waits.
//   - Failure: a damaged or missing input fails the job, which says so to the coordinator by the object's name. A lease that is lost ends the job. A completion whose outcome is
//     unknown is asked again until it is known. A broker that dies leaves the lease to its deadline, and its outputs to the sweep.
package compaction
