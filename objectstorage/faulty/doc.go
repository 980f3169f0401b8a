// Package faulty breaks any bucket on purpose: errors, lost answers, latency, short, corrupt and hanging calls. Tests
// inject faults one by one; the URL keys faulty_… (see package storageurl) give a benchmark a slow store.
//
// # Contract
//   - Order: calls are numbered from 1 as they arrive; a fault meets exactly the calls that its numbers say.
//   - Bytes: corrupt reads change dst, never what is stored.
//   - Concurrency: safe for many callers; no lock is held while a call waits or runs.
//   - Failure: a fault is refused (the call never reached the store) or lost (it was done, the answer says it was not).
package faulty
