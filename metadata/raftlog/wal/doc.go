// Package wal is the Raft log of all groups of one node: one segmented file that is appended to in rounds. A round is
// one frame, whatever number of groups it holds, one write and one fdatasync.
//
// # Contract
//   - Order: rounds become durable in the order of their appends; a frame begins only after the one before it is durable.
//   - Bytes: an entry's data is referenced while it is cached and never changed; what is read back from a file is checked.
//   - Concurrency: one goroutine owns the Log and its Groups.
//   - Failure: the last frame may be torn by a crash, and it was then never acknowledged: it is cut off. Damage anywhere else
//     is an *Damage that names file and offset; nothing is skipped. An error of Append is final: what reached the disk is unknown.
//
// # Format
//
// A segment is a header (magic, version, node, sequence, where the segment before it ended) and frames. Its first frame holds the meta data of every
// group, so that older segments are needed for their entries only. A frame is a header (magic, length, CRC32C of the payload, CRC32C
// of the header) and a payload of records; both checksums cover the segment's sequence and the frame's offset, so that no frame can pass for another.
package wal
