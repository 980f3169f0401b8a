// Package slab hands out byte buffers with reference counts, so that a request's bytes can be uploaded, cached and
// served without a copy, and the memory goes back to a pool when the last holder lets go.
//
// Buffers live outside the Go heap, small ones as pieces of chunks: the collector neither scans them nor lets the heap grow to twice their size before it
// runs. What nobody holds is kept for reuse up to Pool.MaxFree bytes, the rest goes back to the system at once; Trim gives
// back what was not needed since the call before it. An Arena is for a cache: buffers of all sizes from one run of memory that stays mapped.
//
// # Contract
//   - Order: none; a buffer is in no relation to another.
//   - Bytes: a buffer belongs to whoever holds a reference. After the last Release its bytes may be overwritten or unmapped at once: a
//     slice of it that is used later reads another owner's bytes or faults.
//   - Concurrency: all methods may be called by many.
//   - Failure: releasing twice panics; it would hand one buffer to two owners. With poison on (always under the race detector)
//     freed bytes are overwritten, and a write after the last Release panics when the memory is handed out again. When the system has
//     no more mappings, the buffer comes from the Go heap instead.
package slab
