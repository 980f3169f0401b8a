package slab

import "math/bits"

// Size classes: four steps in each doubling, so that a buffer is at most a quarter larger than what was asked for.
const (
	minClassBytes = 512
	maxClassBytes = 128 << 20
	stepsBits     = 2
	minShift      = 9 // log2(minClassBytes)
	classCount    = (27-minShift)<<stepsBits + 1

	// Buffers of this size and more are mapped one by one. Smaller ones are pieces of a chunk.
	mapBytes = 64 << 10
)

// classOf is the smallest class that holds n bytes, or -1 when none does.
func classOf(n int) int {
	if n <= minClassBytes {
		return 0
	}
	if n > maxClassBytes {
		return -1
	}
	shift := bits.Len(uint(n-1)) - 1 // 2^shift < n <= 2^(shift+1)
	step := (n - 1 - 1<<shift) >> (shift - stepsBits)
	return (shift-minShift)<<stepsBits + step + 1
}

// classBytes is the size of a class's buffers.
func classBytes(class int) int {
	shift, step := class>>stepsBits+minShift, class&(1<<stepsBits-1)
	return 1<<shift + step<<(shift-stepsBits)
}
