// Package e2e runs whole Inkwells, both halves in this process, on memory and mostly in virtual time. The binary as users start it is tested in test/processes.
//
// # Contract
//
//   - Order: a cluster of newCluster serves when it returns and is closed when its test ends, clients first.
//   - Bytes: objects are in an objectstorage/memory bucket behind objectstorage/faulty, logs on a vfs.MemFS.
//   - Concurrency: tests in virtual time run in a synctest bubble, where clients reach the broker through pipes; others use loopback.
//   - Failure: faults are injected below the retries of object storage, where the store itself would show them.
package e2e
