// Package authentication lets the brokers of an Inkless cluster say who they are to a metadata node: by SCRAM-SHA-512 (RFC 5802) with the cluster's name
// as user and the credential that __cluster_metadata keeps of it, or by a TLS client certificate that names the cluster. An authenticated connection is the cluster's: it is the principal, never a name in a
// request, that scopes what the connection may do.
//
// # Contract
//   - Order: the two messages of an exchange come one after the other, on one connection.
//   - Bytes: nothing of a message is kept but the names and the nonce that the exchange needs.
//   - Concurrency: an Authenticator may be used by many connections; an Exchange belongs to one.
//   - Failure: an unknown cluster and a wrong password take the same steps and get the same answer, so that nobody can find out which clusters
//     there are. A credential that is replaced counts from the next exchange on; connections that are authenticated stay so.
package authentication
