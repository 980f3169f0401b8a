// Package objectverify compares what the Batch Coordinators of a cluster believe with what is in its bucket, both ways, while the cluster runs.
//
// # Contract
//   - Order: first every coordinate against its object, then every object against the coordinators.
//   - Bytes: pages of coordinates and of keys, a cache of footers and one buffer for each reader; nothing grows with the cluster.
//   - Concurrency: a Verifier runs once.
//   - Failure: what looks wrong is looked at again, the bytes first and the coordinator, linearizably, last: an object that a coordinate still refers to after it could not be
//     read is at fault, one that was merged, expired or deleted meanwhile is not. What could not be looked at is counted apart and is never called clean.
package objectverify
