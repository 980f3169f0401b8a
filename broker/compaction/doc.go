// Package compaction runs the jobs that a Batch Coordinator leases to brokers. In this release there is one: deleting objects that no coordinate refers to.
//
// # Contract
//   - Order: each partition of __batch_coordinates is asked by one goroutine; partitions are independent.
//   - Safety: an object is deleted only when every coordinator partition that ever owned a part of it has released it; release is for ever.
//   - Concurrency: New starts the loops, Close ends them and waits.
//   - Failure: what could not be deleted stays with the coordinator and is leased again after the lease's deadline; deleting twice is harmless. A broker that
//     dies between deleting and reporting leaves the same.
package compaction
