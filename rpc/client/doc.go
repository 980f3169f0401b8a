// Package client carries rpc.MetadataCluster over one shared, multiplexed connection to a metadata node.
//
// # Contract
//   - Order: calls are independent and answered out of order. One goroutine's calls, made one after the other, arrive in that order.
//   - Bytes: requests are encoded before a call waits; answers own their bytes.
//   - Concurrency: all methods may be called by many.
//   - Failure: a connection that fails answers every call in flight: with kafka.ErrUnknownOutcome if it may have changed something, with
//     kerr.CoordinatorNotAvailable if it was never sent or only reads. The next call dials again, the next address after a failure.
package client
