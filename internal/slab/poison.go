package slab

import (
	"bytes"
	"sync/atomic"
)

const poisonByte = 0xDB

var poison atomic.Bool

func init() { poison.Store(raceEnabled) }

// SetPoison switches the overwriting of freed bytes for the whole process and returns what it was. It is on under the race detector.
func SetPoison(on bool) (was bool) { return poison.Swap(on) }

func fillPoison(b []byte) {
	if len(b) == 0 {
		return
	}
	b[0] = poisonByte
	for n := 1; n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}

func checkPoison(b []byte) {
	if len(b) > 0 && (b[0] != poisonByte || !bytes.Equal(b[1:], b[:len(b)-1])) {
		panic("slab: a buffer was written to after its last release")
	}
}
