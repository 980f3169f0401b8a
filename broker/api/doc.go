// Package api answers the Kafka protocol: one file for each API, named by its key, with its versions registered beside it.
//
// # Contract
//   - Order: the listener hands the requests of a connection over one after the other; Produce returns once its batches are in the Batch Processor
//     and answers later, everything else answers before it returns, as Kafka mutes a connection.
//   - Bytes: what a handler keeps of a request it retains by the request's frame.
//   - Concurrency: handlers are called by many connections at once and share only what they are given.
//   - Failure: whatever a handler cannot do is Kafka's error code for that case, in the place that the API has for it. Errors without a Kafka name are
//     UNKNOWN_SERVER_ERROR and are logged in full here.
package api
