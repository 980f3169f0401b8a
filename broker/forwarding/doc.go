// Package forwarding proxies what belongs to a coordinator of the Metadata Kafka Cluster: admin calls to the Controller, group calls to the Group
// Coordinator (KIP-590), and the broker's own registration and membership.
//
// # Contract
//   - Order: calls are independent; a caller that wants order makes one after the other.
//   - Bytes: requests and answers belong to the caller.
//   - Concurrency: all methods may be called by many.
//   - Failure: a call that found no leader is repeated until its context ends, so that a failover is not seen by clients; so is one whose answer
//     was lost, where doing it twice is as doing it once, or where the second answer tells what the first did (settle.go). An answer that was lost after any other request is an unknown outcome: it is reported as
//     REQUEST_TIMED_OUT, not repeated. When the time is over, a group's client is told COORDINATOR_NOT_AVAILABLE and an administrator NOT_CONTROLLER, which make them ask again. The membership loop joins again after every error, and keeps the peers that it knew meanwhile.
package forwarding
