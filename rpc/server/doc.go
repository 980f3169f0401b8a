// Package server answers the private APIs and Envelope on a metadata node's listener: it decodes, finds the cluster that the connection is
// authenticated as, calls its MetadataCluster and encodes the answer.
//
// # Contract
//   - Order: requests of a connection are answered as they are done, out of order; the listener matches them by correlation id.
//   - Bytes: nothing of a request's frame is kept after its answer.
//   - Concurrency: the handlers have no state.
//   - Failure: a request of a connection that is no cluster's gets CLUSTER_AUTHORIZATION_FAILED; a body that cannot be decoded INVALID_REQUEST.
package server
