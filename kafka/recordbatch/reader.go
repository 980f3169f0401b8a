package recordbatch

import (
	"fmt"
	"iter"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Record is one record of a batch. A nil Key or Value is Kafka's null.
type Record struct {
	OffsetDelta int32
	Timestamp   int64
	Key, Value  []byte
	Headers     []Header
}

// Header is one record header.
type Header struct {
	Key   string
	Value []byte
}

// Records yields the records of a batch in order. The slices of a record are valid until the next one. The last pair has an error if the records are damaged.
func (b Batch) Records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if c := b.Codec(); c > Zstd {
			yield(Record{}, unknownCodec(b))
			return
		}
		stopped := false
		err := withStream(b, func(s *stream) error {
			for range b.RecordsCount() {
				r, err := b.readRecord(s)
				if err != nil {
					return err
				}
				if stopped = !yield(r, nil); stopped {
					return nil
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield(Record{}, err)
		}
	}
}

func (b Batch) readRecord(s *stream) (Record, error) {
	size, err := s.varint()
	if err != nil {
		return Record{}, err
	}
	if size < 0 {
		return Record{}, fmt.Errorf("%w: a record of %d bytes", kerr.InvalidRecord, size)
	}
	body, err := s.take(int(size))
	if err != nil {
		return Record{}, err
	}
	return b.parseRecord(&stream{buf: body})
}

// parseRecord reads the body of one record, which is all of s.
func (b Batch) parseRecord(s *stream) (r Record, err error) {
	if _, err = s.readByte(); err != nil { // attributes: none are defined
		return r, err
	}
	delta, err := s.varlong()
	if err != nil {
		return r, err
	}
	r.Timestamp = b.BaseTimestamp() + delta
	if b.IsLogAppendTime() {
		r.Timestamp = b.MaxTimestamp()
	}
	if r.OffsetDelta, err = s.varint(); err != nil {
		return r, err
	}
	if r.Key, err = s.nullableBytes(); err != nil {
		return r, err
	}
	if r.Value, err = s.nullableBytes(); err != nil {
		return r, err
	}
	if r.Headers, err = s.headers(); err != nil {
		return r, err
	}
	if s.pos != len(s.buf) {
		return r, fmt.Errorf("%w: a record has %d bytes too many", kerr.InvalidRecord, len(s.buf)-s.pos)
	}
	return r, nil
}

func (s *stream) nullableBytes() ([]byte, error) {
	n, err := s.varint()
	if err != nil || n < 0 {
		return nil, err
	}
	return s.take(int(n))
}

func (s *stream) headers() ([]Header, error) {
	n, err := s.varint()
	if err != nil || n == 0 {
		return nil, err
	}
	if n < 0 || int(n) > len(s.buf)-s.pos {
		return nil, fmt.Errorf("%w: a record with %d headers", kerr.InvalidRecord, n)
	}
	headers := make([]Header, 0, min(n, 64))
	for range n {
		keyBytes, err := s.varint()
		if err != nil {
			return nil, err
		}
		if keyBytes < 0 {
			return nil, fmt.Errorf("%w: a header key of %d bytes", kerr.InvalidRecord, keyBytes)
		}
		key, err := s.take(int(keyBytes))
		if err != nil {
			return nil, err
		}
		value, err := s.nullableBytes()
		if err != nil {
			return nil, err
		}
		headers = append(headers, Header{Key: string(key), Value: value})
	}
	return headers, nil
}
