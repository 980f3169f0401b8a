// Package objectstoragetest is the contract of objectstorage.Bucket as a test, which every backend and every wrapper
// runs, and a real S3 server for the tests that need one.
//
// # Contract
//   - Order: each subtest gets an empty bucket of its own.
//   - Bytes: bodies come from a fixed seed.
//   - Concurrency: subtests run one after the other; some call the bucket from many goroutines.
//   - Failure: a broken promise fails the subtest that is named for it. A missing S3 server fails, too, and says how to get it.
package objectstoragetest
