// Package transport carries Raft messages between the nodes of the Metadata cluster: one TCP stream for each peer and direction, and
// one more for each snapshot under way.
//
// # Contract
//   - Order: messages to a node arrive in the order of Send while a stream lasts; what was queued when it broke is dropped.
//   - Bytes: a frame has a length and a CRC32C. A bad frame ends the stream: Raft sends again.
//   - Concurrency: every method may be called by many. Send never blocks and never touches the network.
//   - Failure: queues are bounded and drop; whoever's messages were dropped is told by ReportUnreachable. A lost stream is opened again
//     after a back-off with jitter. Peers that name another Metadata cluster, another node, another protocol version or do not know
//     the shared secret are refused, logged and counted.
//
// # Handshake
//
// The caller sends a hello: magic, protocol version, kind of stream, Metadata cluster id, its node id, the node id that it means to
// reach, and a nonce. The callee answers with a status, a text and a nonce of its own. With a secret both then prove that they know it, by an
// HMAC-SHA256 over both hellos with a label of their side; the callee first. Both nonces are new each time, so that a recorded
// handshake proves nothing. The secret proves who speaks; only TLS hides and protects what is said afterwards.
package transport
