// Package objectformat is the bytes of one object: what one PUT writes. All integers are big endian.
//
//	header   "INKO", version uint16, 0 uint16
//	segments one per (topic id, partition), sorted by topic id and partition, each whole v2 record batches one after the other
//	footer   cluster (uint16 length and bytes), uploader epoch int64, sequence int64, segments uint32, then for each segment:
//	         topic id [16]byte, partition int32, position int64, bytes int64, records int64, batches int32,
//	         max timestamp int64, CRC32C uint32 of the segment's bytes
//	trailer  footer length uint32, CRC32C of the footer uint32, version uint16, 0 uint16, "INKF"
//
// # Contract
//   - Order: segments are sorted, so that a reader of one partition needs one range of an object and a merge reads its inputs
//     in order. Batches of a segment keep the order in which they were added.
//   - Bytes: a Writer copies no record bytes; the body that Finish returns refers to the callers' batches, which must not change until
//     the upload ended. Base offsets inside an object are whatever the producers sent (0): offsets are coordinates, not object bytes.
//   - Concurrency: a Writer belongs to one goroutine. Parsing keeps none of its input.
//   - Failure: damaged bytes are ErrCorrupt, those of a later release ErrNewerVersion. Every version that was ever written stays
//     readable: testdata has one object of each.
package objectformat
