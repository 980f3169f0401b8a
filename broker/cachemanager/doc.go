// Package cachemanager serves Fetch and ListOffsets: it knows the batch coordinates of the partitions that are read and keeps the bytes of
// objects in memory. Coordinates arrive by following __batch_coordinates and from this broker's own commits; history is
// asked with Find Segment. Bytes arrive from this broker's uploads and by one GET for each range of an object.
//
// # Contract
//   - Order: a Fetch spends its bytes in the order of its partitions; within a partition batches come in offset order, whole; offsets are
//     missing only where key compaction took them out. A partition's high watermark never goes back.
//   - Bytes: an answer's slices are cached memory and nobody writes to them; they are valid until the answer's Release. Base offsets, leader
//     epoch and append time are written into the batch headers once, before anyone can read the batch. Frames that come with ObjectCommitted are
//     written to in place: whoever hands them over must have ended their upload.
//   - Concurrency: all methods may be called by many. Lock order: Manager.mu, partition.mu, pageList.mu; block.mu, cache.mu; spans.mu,
//     indexes.mu and readers.mu are the last under any. No lock is held while waiting for storage, the coordinator or a channel.
//   - Memory: two pools, tail and lagging, each bounded in bytes; what readers still hold counts. Reading history takes room in the lagging
//     pool only, and waits for it there.
//   - Failure: an error stays within its partition. A missing, short or corrupt range is KAFKA_STORAGE_ERROR and is read again when it is asked for again; of
//     an object that is gone the coordinator is asked once where its records are now;
//     what is not known because the coordinator cannot be asked is OFFSET_NOT_AVAILABLE. OFFSET_OUT_OF_RANGE and UNKNOWN_TOPIC_ID come from linearizable reads only.
//
// # How a new commit wakes a reader
//
// A partition of interest has a window: the coordinates of its newest offsets, without a gap, up to the high watermark. It begins with one Find Segment,
// made after the tail of its coordinator partition knows its position, so that whatever that answer lacks comes with the tail. A record
// that follows the window's end extends it and wakes the fetches that wait there; a lower one is known; a higher one means that something
// was missed, and the window is asked for anew.
//
// # How merged history is read
//
// A coordinate that a job wrote is stamped, nothing in it is written to, and may have 256 MiB. It is read in pieces between entries of its index, which is loaded by one small
// GET and kept; without one, or with a damaged one, the headers of the segment are scanned once. Pieces end at multiples of their size, so that readers share them; the size
// and how far is read ahead follow from how many partitions share the lagging pool. CoordinatesReplaced swaps coordinates in windows and drops history that has
// the old ones.
package cachemanager
