// Package broker is the stateless half: an Inkless broker of one cluster. It wires the boxes of the design (api, batchprocessor, cachemanager, compaction,
// forwarding, metadatacache) and owns their lifetimes.
//
// # Contract
//   - Order: New starts the boxes from the inside out, so that the listener accepts its first connection when everything behind it serves; Close
//     ends them from the outside in, so that what was accepted is answered.
//   - State: nothing is kept on disk. A broker that dies loses nothing that it acknowledged.
//   - Concurrency: Close is safe twice.
//   - Failure: a broker whose epoch is fenced refuses what it holds, registers anew with a new epoch and serves again.
package broker
