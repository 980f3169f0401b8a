package wal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

const (
	frameHeaderSize = 16
	frameMagic      = uint32(0x494b5746)
	maxFrameBytes   = 1 << 30
	// sectorSize is what a disk writes as a whole: of a torn write each sector is there, or still zero.
	sectorSize = 512
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// salt makes a frame valid at one place of one segment only: bytes of a frame inside an entry's data cannot be taken for one.
func salt(sequence uint64, offset int64) uint32 {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], sequence)
	binary.BigEndian.PutUint64(b[8:], uint64(offset))
	return crc32.Checksum(b[:], castagnoli)
}

// sealFrame fills the header that frame begins with.
func sealFrame(frame []byte, sequence uint64, offset int64) {
	s := salt(sequence, offset)
	binary.BigEndian.PutUint32(frame, frameMagic)
	binary.BigEndian.PutUint32(frame[4:], uint32(len(frame)-frameHeaderSize))
	binary.BigEndian.PutUint32(frame[8:], crc32.Update(s, castagnoli, frame[frameHeaderSize:]))
	binary.BigEndian.PutUint32(frame[12:], crc32.Update(s, castagnoli, frame[:12]))
}

// frameLength is the length of the payload, if header is a frame's at this place.
func frameLength(header []byte, sequence uint64, offset int64) (int, bool) {
	if binary.BigEndian.Uint32(header) != frameMagic ||
		binary.BigEndian.Uint32(header[12:]) != crc32.Update(salt(sequence, offset), castagnoli, header[:12]) {
		return 0, false
	}
	n := binary.BigEndian.Uint32(header[4:])
	return int(n), n <= maxFrameBytes
}

func payloadIntact(header, payload []byte, sequence uint64, offset int64) bool {
	return binary.BigEndian.Uint32(header[8:]) == crc32.Update(salt(sequence, offset), castagnoli, payload)
}

// tornTail says whether rest, the end of the last segment from the first bad frame on, can be what a crash left of one
// unfinished append. It returns why not, otherwise "". A frame is only begun when the one before it is durable, so a whole frame further on
// means that this one had been durable, too. A tear leaves sectors that were never written; changed bits leave none.
func tornTail(rest []byte, sequence uint64, offset int64) string {
	var magic [4]byte
	binary.BigEndian.PutUint32(magic[:], frameMagic)
	for at := 1; at+frameHeaderSize <= len(rest); at++ {
		i := bytes.Index(rest[at:], magic[:])
		if i < 0 {
			break
		}
		at += i
		if at+frameHeaderSize > len(rest) {
			break
		}
		place := offset + int64(at)
		n, ok := frameLength(rest[at:], sequence, place)
		if !ok || at+frameHeaderSize+n > len(rest) {
			continue
		}
		if payloadIntact(rest[at:], rest[at+frameHeaderSize:at+frameHeaderSize+n], sequence, place) {
			return fmt.Sprintf("a whole frame follows at offset %d", place)
		}
	}
	if len(rest) < frameHeaderSize {
		return ""
	}
	extent := rest[:frameHeaderSize]
	if n, ok := frameLength(rest, sequence, offset); ok {
		if frameHeaderSize+n > len(rest) {
			return "" // the file ends within the frame
		}
		extent = rest[:frameHeaderSize+n]
	}
	if !hasUnwrittenSector(extent, offset) {
		return "its bytes are all there, but they are not those that were written"
	}
	return ""
}

// hasUnwrittenSector finds a sector of which all that b covers is zero.
func hasUnwrittenSector(b []byte, offset int64) bool {
	for len(b) > 0 {
		n := min(len(b), int(sectorSize-offset%sectorSize))
		if len(bytes.TrimLeft(b[:n], "\x00")) == 0 {
			return true
		}
		b, offset = b[n:], offset+int64(n)
	}
	return false
}
