package recordbatch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/twmb/franz-go/pkg/kerr"
)

// ErrTruncated says that the bytes end inside a batch. At the end of a fetched range that is no fault.
var ErrTruncated = errors.New("the bytes end inside a record batch")

// Next splits the first batch off buf. Whole batches of a magic that is not 2 are returned, too: only Magic, Length and
// BaseOffset of them may be read. Errors are ErrTruncated and CORRUPT_MESSAGE.
func Next(buf []byte) (batch Batch, rest []byte, err error) {
	if len(buf) < logOverhead {
		return nil, buf, ErrTruncated
	}
	length := int32(binary.BigEndian.Uint32(buf[lengthAt:]))
	if length < minLength {
		return nil, buf, fmt.Errorf("%w: a record batch claims %d bytes, the least is %d", kerr.CorruptMessage, length, minLength)
	}
	if len(buf) < upToMagic {
		return nil, buf, ErrTruncated
	}
	magic := int8(buf[magicAt])
	if magic < 0 || magic > magicV2 {
		return nil, buf, fmt.Errorf("%w: a record batch has magic %d", kerr.CorruptMessage, magic)
	}
	size := logOverhead + int(length)
	if size > len(buf) {
		return nil, buf, ErrTruncated
	}
	if magic == magicV2 && size < HeaderBytes {
		return nil, buf, fmt.Errorf("%w: a record batch of %d bytes is smaller than its header of %d", kerr.CorruptMessage, size, HeaderBytes)
	}
	return Batch(buf[:size:size]), buf[size:], nil
}

// All yields the whole batches of buf in order; the last pair has an error if bytes remain that are not a whole batch.
func All(buf []byte) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		for len(buf) > 0 {
			b, rest, err := Next(buf)
			if !yield(b, err) || err != nil {
				return
			}
			buf = rest
		}
	}
}
