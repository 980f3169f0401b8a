// Package topics holds the names and record schemas of the topics on the Metadata Kafka Cluster that Inkwell defines itself:
// __cluster_metadata, __metadata.c and __batch_coordinates.c. Both halves read them. __consumer_offsets.c has Kafka's own schemas, which kmsg knows.
//
// # Contract
//   - Format: values are protobuf (proto3 wire format, documented in the .proto files beside this one and checked against them by a test), encoded by
//     hand so that equal records are equal bytes. Field 1 of every value is the schema version.
//   - Keys are readable text, so that a console consumer shows what a record is about: "topic/<topic id>".
//   - Change: a field is added, never changed; a decoder refuses a version that is newer than its own with ErrNewerVersion.
package topics
