// Package clusterimage is the view of one Inkless cluster that its __metadata topic gives: topics, settings, brokers, producer ids and features at
// one offset. Brokers, Batch Coordinators and the Controller build the same image from the same records.
//
// # Contract
//   - Order: records are applied by offset; a record at or below the image's offset is passed over. Lists are sorted, by name or by id.
//   - Bytes: an Image and everything it hands out are shared and never changed. Two images share what did not change between them: a record costs
//     what one of 256 shards costs, not what the cluster does.
//   - Concurrency: an Image and Latest may be used by many. A Builder belongs to one goroutine.
//   - Failure: a record that does not decode is an error, and the Builder stays as it was; a follower must stop there, not skip it.
package clusterimage
