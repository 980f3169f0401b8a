// Package s3 is a bucket on Amazon S3 and anything that speaks its protocol: s3://bucket/prefix?region=…&endpoint=….
// It makes one request for each call (and each 1,000 keys); repeating is for objectstorage.Retrying, so that tests and
// metrics see every request. Credentials come from the provider's usual places, never from the URL.
//
// # Contract
//   - Order: List is in byte order, as S3 defines it.
//   - Bytes: a body is sent from the caller's slices with a CRC32C that the store checks; the HTTP client, which may go
//     on reading after a call was given up, is cut off from them before the call returns.
//   - Concurrency: safe for many callers. Reads and writes have a connection pool each, so that neither waits for the other's.
//   - Failure: If-None-Match decides between writers: 412 is ErrExists; 409, a race that is still open, is an error to be repeated.
package s3
