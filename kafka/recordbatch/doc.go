// Package recordbatch reads, checks and corrects Kafka's record batches (format v2, magic 2) where they lie: a Batch is
// the bytes themselves, seen through methods.
//
// # Contract
//   - Order: Validate checks in the order that Kafka 4.3 does, so that a batch with two faults gets Kafka's answer.
//   - Bytes: nothing is copied or kept. Keys, values and headers of a Record alias the batch when it is not compressed, and the
//     iterator's own buffer otherwise: valid until the next record. Only the Set methods and Validate write, and only into the header.
//   - Concurrency: a batch may be read by many; whoever calls a Set method or Validate must be alone with it. Pools of decompressors are
//     shared by all.
//   - Failure: bytes from outside never panic and never make memory grow above named limits. Errors wrap the *kerr.Error that Kafka answers.
package recordbatch
