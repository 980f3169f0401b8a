// Package tlsfiles makes TLS configurations of PEM files, and follows the files: what renews a certificate writes it anew, and the next connection has it.
//
// # Contract
//   - Failure: Open reports every mistake at once, each with its setting, its file and what to do. Later, files that cannot be used (half renewed, or removed)
//     leave in force what was read last; that is logged once for each change.
//   - Concurrency: a Source is safe for many.
package tlsfiles
