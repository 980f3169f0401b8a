// Package client carries rpc.MetadataCluster to the nodes of the Metadata Kafka Cluster: one shared, multiplexed connection for each node, and each call to
// the node that leads the coordinator partition that it is for.
//
// # Contract
//   - Order: calls are independent and answered out of order. One goroutine's calls to one coordinator, made one after the other, arrive in that order.
//   - Bytes: requests are encoded before a call waits; answers own their bytes.
//   - Concurrency: all methods may be called by many.
//   - Routing: who leads what is learned from FindLeaders, which any node answers, and from the hints in NOT_COORDINATOR; of two answers the one with
//     the higher term counts. A node that is asked wrongly refuses, so that old knowledge costs time and nothing else.
//   - Failure: a call that certainly was not executed (it was not sent, or NOT_COORDINATOR says so) is made again, with jittered pauses, until its context or Config.Timeout
//     ends; so is one whose answer was lost, if it only reads. Any other call whose answer was lost ends with kafka.ErrUnknownOutcome: its caller asks again. A
//     node that answers nothing at all for Config.SilentTimeout is given up, as if its connection had been cut.
package client
