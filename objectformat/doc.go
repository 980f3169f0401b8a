// Package objectformat is the bytes of one object. All integers are big endian. Version 1 is what the Batch Processor PUTs:
//
//	header   "INKO", version uint16, 0 uint16
//	segments one per (topic id, partition), sorted by topic id and partition, each whole v2 record batches one after the other
//	footer   cluster (uint16 length and bytes), uploader epoch int64, sequence int64, segments uint32, then for each segment:
//	         topic id [16]byte, partition int32, position int64, bytes int64, records int64, batches int32,
//	         max timestamp int64, CRC32C uint32 of the segment's bytes
//	trailer  footer length uint32, CRC32C of the footer uint32, version uint16, 0 uint16, "INKF"
//
// Version 2 is what jobs write. Its batches have their final headers: base offsets that ascend, perhaps with gaps, and append times. Between segments and footer lie
// the indexes (ParseIndex) of the segments that are larger than IndexInterval, in the order of the segments. A footer's entry has, behind what version 1 has:
// base offset int64, last offset int64, index position int64, index bytes int32 (0: none). A partition may have several segments, in
// the order of their offsets.
//
// # Contract
//   - Order: segments are sorted, so that a reader of one partition needs one range of an object and a merge reads its inputs
//     in order. Batches of a segment keep the order in which they were added.
//   - Bytes: a Writer copies no record bytes; the body that Finish returns refers to the callers' batches, which must not change until
//     the upload ended. Base offsets inside an object of version 1 are whatever the producers sent (0): offsets are coordinates, not object bytes. A StreamWriter hands
//     on what it is given and keeps none of it.
//   - Concurrency: a Writer belongs to one goroutine. Parsing keeps none of its input.
//   - Failure: damaged bytes are ErrCorrupt, those of a later release ErrNewerVersion. Every version that was ever written stays
//     readable: testdata has one object of each.
package objectformat
