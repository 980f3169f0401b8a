// Package putbudget is what a broker may ask of its object store in PUTs per second, shared by what producers wait for (flush) and Compaction Jobs.
//
// # Contract
//   - Flush comes first: it has all but a guaranteed share, and that share, too, while jobs leave it.
//   - Jobs have their share whatever flush takes, because merging is what lowers the requests of later; and what flush leaves over.
//   - Bound: in any time jobs, and flush as far as it waits for At, get no more than PerSecond times that time and one second's worth, at least a PUT each.
//   - Failure: who must go on (a request about to time out, the repetition of a failed PUT) takes without waiting. The debt, of at most a second, is paid
//     by those who come later on the same side.
//   - Concurrency: all methods may be called by many. Nothing waits under the lock, which is a leaf.
package putbudget
