package recordbatch

import (
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// walk reads records without their keys, values and headers.
type walk struct {
	s          *stream
	base       int64
	forced     bool // appendTime is every record's timestamp
	appendTime int64
}

// plainRecord takes a good record without headers that lies in the buffer as a whole, which is nearly every one. Otherwise it takes nothing and record
// finds out what it is.
func (w *walk) plainRecord(index int32) (timestamp int64, hasKey, ok bool) {
	b := w.s.buf[w.s.pos:]
	size, at := varintAt(b, 0)
	end := at + int(size)
	if size < 0 || size > maxPlainRecord || end > len(b) {
		return 0, false, false
	}
	delta, at := varintAt(b, at+1)
	offsetDelta, at := varintAt(b, at)
	keyBytes, at := varintAt(b, at)
	if at > end || keyBytes > size {
		return 0, false, false
	}
	valueBytes, at := varintAt(b, at+max(0, int(keyBytes)))
	if at > end || valueBytes > size {
		return 0, false, false
	}
	headers, at := varintAt(b, at+max(0, int(valueBytes)))
	if at != end || headers != 0 || offsetDelta != int64(index) {
		return 0, false, false
	}
	w.s.pos += end
	timestamp = w.base + delta
	if w.forced {
		timestamp = w.appendTime
	}
	return timestamp, keyBytes >= 0, true
}

// maxPlainRecord keeps sums of sizes far from overflow.
const maxPlainRecord = 1 << 30

// pastEnd is a position that no buffer has.
const pastEnd = 1 << 40

// varintAt reads a zigzag integer and returns the position after it, past all ends if there is none.
func varintAt(b []byte, at int) (int64, int) {
	if uint(at) < uint(len(b)) && b[at] < 0x80 {
		return int64(b[at]>>1) ^ -int64(b[at]&1), at + 1
	}
	return longVarintAt(b, at)
}

func longVarintAt(b []byte, at int) (int64, int) {
	if at >= len(b) {
		return 0, pastEnd
	}
	v, n := binary.Varint(b[at:])
	if n <= 0 || n > 5 { // longer ones are for record to judge: most fields may not have them
		return 0, pastEnd
	}
	return v, at + n
}

func (w *walk) record(index int32) (timestamp int64, hasKey bool, err error) {
	s := w.s
	size, err := s.varint()
	if err != nil {
		return 0, false, err
	}
	end := s.position() + int64(size)
	if s.r == nil && int(size) > len(s.buf)-s.pos {
		return 0, false, errTruncatedStream
	}
	if _, err = s.readByte(); err != nil {
		return 0, false, err
	}
	delta, err := s.varlong()
	if err != nil {
		return 0, false, err
	}
	timestamp = w.base + delta
	if w.forced {
		timestamp = w.appendTime
	}
	offsetDelta, err := s.varint()
	if err != nil {
		return 0, false, err
	}
	if offsetDelta != index {
		return 0, false, fmt.Errorf("%w: record %d has offset delta %d", kerr.InvalidRecord, index, offsetDelta)
	}
	keyBytes, err := s.skipBytes()
	if err != nil {
		return 0, false, err
	}
	if _, err = s.skipBytes(); err != nil {
		return 0, false, err
	}
	if err = s.skipHeaders(); err != nil {
		return 0, false, err
	}
	if s.position() != end {
		return 0, false, fmt.Errorf("%w: record %d claims %d bytes and has %d", kerr.InvalidRecord, index, size, s.position()-end+int64(size))
	}
	return timestamp, keyBytes >= 0, nil
}

// skipBytes skips a nullable run and returns its length, negative for null.
func (s *stream) skipBytes() (int32, error) {
	n, err := s.varint()
	if err != nil || n <= 0 {
		return n, err
	}
	return n, s.skip(int(n))
}

func (s *stream) skipHeaders() error {
	n, err := s.varint()
	if err != nil || n == 0 {
		return err
	}
	if n < 0 {
		return fmt.Errorf("%w: a record with %d headers", kerr.InvalidRecord, n)
	}
	for range n { // each takes at least two bytes, so that a false count ends with the bytes
		keyBytes, err := s.skipBytes()
		if err != nil {
			return err
		}
		if keyBytes < 0 {
			return fmt.Errorf("%w: a header key of %d bytes", kerr.InvalidRecord, keyBytes)
		}
		if _, err := s.skipBytes(); err != nil {
			return err
		}
	}
	return nil
}
