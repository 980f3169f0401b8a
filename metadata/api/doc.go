// Package api is what a metadata node answers ordinary Kafka clients on its own listener: the Metadata Kafka Cluster's topics can be read, in groups too,
// by its administrators. It serves what consumers and describing tools ask; nothing here writes to a topic, so Produce, CreateTopics and their kin are not
// told to clients. One file for each API, its versions registered beside it.
//
// # Contract
//   - Order: the APIs are InOrder and answer before Serve returns, so that clients get answers in the order of their requests also on the listener that brokers use.
//   - Bytes: records are copied into record batches; nothing of a log's records or of a request's frame is kept.
//   - Concurrency: the handlers have no state. A Fetch that waits has one goroutine for each of its partitions, which end before it answers.
//   - Failure: offsets come from linearizable reads, so that a deposed leader tells no client OFFSET_OUT_OF_RANGE; errors stay within a partition.
//   - Authorization: only administrators read. An Inkless cluster's own connection gets Kafka's authorization errors and is shown no topic.
package api
