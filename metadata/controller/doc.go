// Package controller is the leader's half of one Inkless cluster's Controller: it checks admin requests that brokers proxy to it, proposes what they
// ask for to the __metadata log, watches the brokers' heartbeats and hands out producer ids. Its Follower is the image of
// the cluster on every node.
//
// # Contract
//   - Order: a request is answered when its command is applied; the answer names the metadata offset that shows it.
//   - Bytes: requests and answers belong to the caller.
//   - Concurrency: all methods may be called by many. One goroutine watches sessions.
//   - Failure: kerr.NotCoordinator means that nothing was done and another node leads. kafka.ErrUnknownOutcome means that the command may have been applied
//     or may yet be. A fenced broker epoch never comes back: the broker registers anew. Heartbeats are not replicated: a new leader fences
//     nobody whom it did not hear itself.
package controller
