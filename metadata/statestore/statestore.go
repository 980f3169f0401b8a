// Package statestore is the ordered key-value store that replicated state machines keep their state in. Each partition
// (Raft group) sees a key space of its own.
//
// # Contract
//   - Order: keys are ordered bytewise.
//   - Bytes: slices passed in are copied; slices handed to a callback or returned are valid until the next call on the same reader.
//   - Failure: a disk that cannot be read or holds damage panics with *Failure; the Raft driver recovers it where it
//     applies and halts that one group. State machines stay free of I/O errors.
package statestore

import "fmt"

// Reader reads one group's state.
type Reader interface {
	// Get returns the value of key and whether it exists.
	Get(key []byte) ([]byte, bool)
	// Scan calls fn for each key in [lo, hi) in order until fn returns false. A nil hi means no bound. fn must not write.
	Scan(lo, hi []byte, fn func(key, value []byte) bool)
	// ScanReverse is Scan from the greatest key below hi down to lo.
	ScanReverse(lo, hi []byte, fn func(key, value []byte) bool)
}

// Tx is a batch of changes that becomes durable as a whole together with the applied index. It reads its own writes.
type Tx interface {
	Reader
	Set(key, value []byte)
	Delete(key []byte)
	// DeleteRange deletes [lo, hi).
	DeleteRange(lo, hi []byte)
}

// Failure is what a store panics with when the disk fails it.
type Failure struct {
	Op  string
	Err error
}

func (f *Failure) Error() string { return fmt.Sprintf("statestore: %s: %v", f.Op, f.Err) }
func (f *Failure) Unwrap() error { return f.Err }

// View is log.View; a disk that fails is an error here and not a panic. The group that it concerns halts by itself.
func View(log interface{ View(func(Reader)) }, fn func(Reader)) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case *Failure:
			err = p
		default:
			panic(p)
		}
	}()
	log.View(fn)
	return nil
}
