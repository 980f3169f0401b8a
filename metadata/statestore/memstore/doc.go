// Package memstore is a statestore.Tx in memory: the small twin that state machine tests run on and that pebblestore
// is compared with.
//
// # Contract
//   - Order: keys are ordered bytewise.
//   - Bytes: keys and values are copied when set; what is returned stays unchanged until the key is set again or deleted.
//   - Concurrency: one goroutine at a time.
//   - Failure: none.
package memstore
