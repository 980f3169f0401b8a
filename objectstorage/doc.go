// Package objectstorage is where every record byte lives: a flat folder of immutable objects behind one small
// interface. The backends are sub packages (filesystem, s3, memory), faulty breaks any of them on purpose, and
// objectstoragetest is the contract as a test that each one runs. Package storageurl turns the value of --store into a
// ready Bucket. This package holds the contract and what is the same for all backends: keys, errors, retries, metrics
// and the start-up probe.
//
// # Contract
//   - Order: none between calls. List is in byte order of the keys; fewer objects than asked for means that the list ends.
//   - Bytes: an object never changes once it is visible, and is visible whole or not at all. A body is read, never
//     written or kept; dst of GetRange belongs to the caller again when the call returns.
//   - Concurrency: every method may be called by many at once. Of many PutIfAbsent of one key one wins.
//   - Parts: an Upload is an object that comes in parts, for what is too large for memory. Completing it is a put like any other.
//   - Failure: PutIfAbsent has three outcomes: stored (nil), refused (ErrExists, ErrDenied), unknown (any other error).
//     Backends make one attempt and map what the store says to the errors of this package; Retrying repeats, with a
//     deadline for each attempt and one for all, and settles an unknown outcome by comparing bytes.
package objectstorage
