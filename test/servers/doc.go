// Package servers starts the systems that the tests compare, Apache Kafka and `inkwell dev`, each as a process of its own on loopback.
//
// # Contract
//
//   - Order: Start returns when the server answers Kafka requests; Restart uses the same ports and folder again.
//   - Bytes: a server's data lies below the folder it was given and is the caller's to remove; Stop and Kill leave it.
//   - Concurrency: methods of one Server are called by one goroutine at a time.
//   - Failure: a server that does not come up is ended, and the error carries the end of its log. Only the process that was started is ever signalled, by its own id.
package servers
