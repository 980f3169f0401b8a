// Package recordbatchtest builds record batches for tests, as a producer does.
//
// # Contract
//   - Bytes: a batch is new memory, the caller's.
//   - Failure: what cannot be built panics; it is a mistake in the test.
package recordbatchtest
