package recordbatch

import (
	"fmt"
	"io"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
)

// stream is the bytes of a batch's records: all of them in buf where they are not compressed (r is nil), otherwise a chunk.
type stream struct {
	buf    []byte
	pos    int
	before int64 // bytes that came before buf
	r      io.Reader
	err    error // why r gave no more
}

var chunks = sync.Pool{New: func() any { b := make([]byte, chunkBytes); return &b }}

// position counts the bytes that were taken.
func (s *stream) position() int64 { return s.before + int64(s.pos) }

// fill gets at least one more byte behind buf[pos:], which stays in one piece. chunk is moved to the front, and grows by doubling if the rest fills it:
// never by what the bytes claim.
func (s *stream) fill() error {
	if s.r == nil {
		return errTruncatedStream
	}
	if s.err != nil {
		return streamError(s.err)
	}
	if s.position() > int64(maxDecompressed) {
		return errTooLarge
	}
	rest := len(s.buf) - s.pos
	if s.pos > 0 {
		copy(s.buf[:rest], s.buf[s.pos:])
		s.before += int64(s.pos)
		s.pos, s.buf = 0, s.buf[:rest]
	}
	if rest == cap(s.buf) {
		if rest >= maxDecompressed {
			return errTooLarge
		}
		s.buf = append(make([]byte, 0, 2*rest), s.buf...)
	}
	for tries := 0; ; tries++ {
		n, err := s.r.Read(s.buf[rest:cap(s.buf)])
		s.buf = s.buf[:rest+n]
		s.err = err
		switch {
		case n > 0:
			return nil
		case err != nil:
			return streamError(err)
		case tries == 100:
			return streamError(io.ErrNoProgress)
		}
	}
}

// need makes n bytes available in one piece and returns them without taking them.
func (s *stream) need(n int) ([]byte, error) {
	for len(s.buf)-s.pos < n {
		if err := s.fill(); err != nil {
			return nil, err
		}
	}
	return s.buf[s.pos : s.pos+n], nil
}

// take is need, and takes the bytes.
func (s *stream) take(n int) ([]byte, error) {
	b, err := s.need(n)
	s.pos += len(b)
	return b, err
}

// skip takes n bytes that nobody wants to see.
func (s *stream) skip(n int) error {
	for len(s.buf)-s.pos < n {
		n -= len(s.buf) - s.pos
		s.pos = len(s.buf)
		if err := s.fill(); err != nil {
			return err
		}
	}
	s.pos += n
	return nil
}

func (s *stream) readByte() (byte, error) {
	if s.pos == len(s.buf) {
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	s.pos++
	return s.buf[s.pos-1], nil
}

var errVarint = fmt.Errorf("%w: a variable length integer is too long", kerr.InvalidRecord)

// varint reads a zigzag integer of at most 5 bytes.
func (s *stream) varint() (int32, error) {
	if s.pos < len(s.buf) { // one byte is by far the most frequent
		if c := s.buf[s.pos]; c < 0x80 {
			s.pos++
			return int32(c>>1) ^ -int32(c&1), nil
		}
	}
	u, err := s.uvarint(5)
	return int32(uint32(u)>>1) ^ -int32(u&1), err
}

// varlong reads a zigzag integer of at most 10 bytes.
func (s *stream) varlong() (int64, error) {
	if s.pos < len(s.buf) {
		if c := s.buf[s.pos]; c < 0x80 {
			s.pos++
			return int64(c>>1) ^ -int64(c&1), nil
		}
	}
	u, err := s.uvarint(10)
	return int64(u>>1) ^ -int64(u&1), err
}

func (s *stream) uvarint(maxBytes int) (u uint64, err error) {
	for i := range maxBytes {
		c, err := s.readByte()
		if err != nil {
			return 0, err
		}
		u |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return u, nil
		}
	}
	return 0, errVarint
}

// atEnd says whether no byte is left; a damaged end of a compressed stream is an error.
func (s *stream) atEnd() (bool, error) {
	switch {
	case s.pos < len(s.buf):
		return false, nil
	case s.r == nil:
		return true, nil
	}
	for s.err == nil {
		n, err := s.r.Read(s.buf[:cap(s.buf)])
		if n > 0 {
			return false, nil
		}
		s.err = err
	}
	if s.err == io.EOF {
		return true, nil
	}
	return false, streamError(s.err)
}

// withStream calls f with the records of b.
func withStream(b Batch, f func(*stream) error) error {
	if b.Codec() == None {
		return f(&stream{buf: b[HeaderBytes:]})
	}
	chunk := chunks.Get().(*[]byte)
	defer chunks.Put(chunk)
	return withDecompressor(b.Codec(), b[HeaderBytes:], func(r io.Reader) error {
		return f(&stream{buf: (*chunk)[:0], r: r})
	})
}
