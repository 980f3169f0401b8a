// Package compat runs the same scenarios through the clients that people use, unmodified, against Apache Kafka and against `inkwell dev`: Kafka's Java client, librdkafka, franz-go
// and Kafka's console tools. Every scenario states the concrete result it expects: Kafka proves the expectation, Inkwell has to meet it.
//
// # Contract
//   - Order: each system is started once per run, first Kafka, and serves all clients; each client has one driver per system. Scenarios use topics and groups of their own.
//   - Bytes: a system's data lies in a temporary folder that goes with the run.
//   - Concurrency: scenarios of one client run in parallel, except those that cut connections.
//   - Failure: a tool that is missing fails the run with what is missing; a failed scenario shows the client's error and the system's log is printed at the end.
//
// The drivers (drivers/, franz_test.go) speak one protocol: a JSON request per line in, a JSON answer per line out, errors as Kafka's codes.
package compat
