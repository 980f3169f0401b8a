package objectformat

import "hash/crc32"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// CRC is the CRC32C of one segment's bytes as they lie in the object (before base offsets are written into them).
func CRC(segment []byte) uint32 { return crc32.Checksum(segment, castagnoli) }

// UpdateCRC adds the bytes that follow to a CRC, for a segment that is read in parts.
func UpdateCRC(crc uint32, more []byte) uint32 { return crc32.Update(crc, castagnoli, more) }

// The CRC of two runs of bytes follows from the CRC of each: the first is multiplied by x^(8n) modulo the polynomial, n being the
// length of the second, and added. Polynomials over GF(2) are reversed here: the highest bit is x^0.

const one = uint32(1) << 31

// powers[k] is x^(2^k).
var powers = func() (p [34]uint32) {
	p[0] = one >> 1
	for k := 1; k < len(p); k++ {
		p[k] = multiply(p[k-1], p[k-1])
	}
	return p
}()

// multiply is a*b modulo the polynomial.
func multiply(a, b uint32) uint32 {
	var product uint32
	for ; a != 0; a <<= 1 {
		if a&one != 0 {
			product ^= b
		}
		// b*x: what falls off at x^32 is reduced, without a branch that half of the time is guessed wrong.
		b = b>>1 ^ crc32.Castagnoli&-(b&1)
	}
	return product
}

// combineCRC is the CRC of a run whose CRC is first, followed by secondBytes bytes whose CRC is second. A
// batch has less than 2^31 bytes, so that 34 powers do.
func combineCRC(first, second uint32, secondBytes uint64) uint32 {
	shift := one
	for k := 3; secondBytes != 0; k, secondBytes = k+1, secondBytes>>1 { // 3: bytes are 2^3 bits
		if secondBytes&1 != 0 {
			shift = multiply(powers[k], shift)
		}
	}
	return multiply(shift, first) ^ second
}
