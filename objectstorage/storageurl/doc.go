// Package storageurl turns the value of --store into a bucket: file:///path, s3://bucket/prefix?region=…, or memory:.
//
// For tests and benchmarks every URL also takes keys that make the store worse: faulty_put_latency=100ms (or a spread,
// 80ms..120ms), the same for get, head, list and delete, faulty_latency for all of them, and faulty_error_rate=0.01.
//
// # Contract
//   - Order: from the inside out: the backend, the faults that the URL asks for, retries and metrics.
//   - Bytes: none.
//   - Concurrency: Open may be called by many; the same folder or bucket may be open several times.
//   - Failure: whatever is not understood is refused by name, all mistakes at once; a store that cannot be used is an
//     error, never replaced by another one. Secrets in a URL are refused and not repeated.
package storageurl
