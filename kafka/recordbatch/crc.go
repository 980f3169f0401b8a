package recordbatch

import "hash/crc32"

// coldStep is how much of a batch is brought into the CPU's cache before its CRC is computed: it stays in the first or second level.
const coldStep = 16 << 10

// ComputeColdCRC is ComputeCRC for bytes that a device has just written to memory. The CRC's own loads wait for memory one after the other; one load for each cache
// line beforehand, which wait together, makes the whole half as fast again and more. For bytes that are in the cache it is a fifth slower.
func (b Batch) ComputeColdCRC() uint32 {
	crc := uint32(0)
	for rest := []byte(b[attributesAt:]); len(rest) > 0; {
		step := rest[:min(len(rest), coldStep)]
		rest = rest[len(step):]
		touch(step)
		crc = crc32.Update(crc, castagnoli, step)
	}
	return crc
}

// touch loads each cache line of b. Inlined it would be dead code.
//
//go:noinline
func touch(b []byte) byte {
	const line = 64
	var w, x, y, z byte
	for ; len(b) >= 4*line; b = b[4*line:] {
		w += b[0]
		x += b[line]
		y += b[2*line]
		z += b[3*line]
	}
	return w + x + y + z
}
