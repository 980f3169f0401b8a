// Package fairqueue decides whose call is executed next on a metadata node that serves many Inkless clusters. Calls take a slot before they are executed; when
// there are more calls than slots, the clusters that wait are served in turn (deficit round robin), each with the same amount of work, however many calls it has
// waiting. A Bucket holds one cluster to a rate.
//
// # Contract
//   - Order: calls of one cluster get their slots in the order in which they asked; between clusters, the one whose turn it is.
//   - Bytes: none are held.
//   - Concurrency: everything may be called by many. A call that has a free slot to take costs one lock and allocates nothing.
//   - Failure: who waits longer than its context gets the context's error; a cluster with more than MaxQueued calls waiting gets THROTTLING_QUOTA_EXCEEDED. Calls that
//     hold their slots and do not move (a partition without a majority) lose them to others after StuckAfter; they go on all the same.
package fairqueue
