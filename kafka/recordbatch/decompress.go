package recordbatch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Kafka puts no bound on what a batch decompresses to. Here it is streamed through chunks, so that memory does not grow with it, and
// CPU time is bounded by MaxDecompressedBytes.
const (
	// MaxDecompressedBytes is the most that the records of one batch may decompress to.
	MaxDecompressedBytes = 128 << 20
	chunkBytes           = 64 << 10
	// pooledZstdWindow is the largest window of a decoder that is kept; greater ones (levels 20 and up) take turns.
	pooledZstdWindow = 8 << 20
	maxZstdWindow    = 128 << 20 // as zstd's own default, which Kafka has
	// maxSnappyBlock bounds one block's claim. Java's producer writes 32 KiB, others the whole batch as one block.
	maxSnappyBlock = 32 << 20
)

// maxDecompressed is a variable for tests only.
var maxDecompressed = MaxDecompressedBytes

// errTooLarge is MESSAGE_TOO_LARGE, upon which a producer splits its batch and tries again.
var errTooLarge = fmt.Errorf("%w: the records of one batch decompress to more than %d bytes", kerr.MessageTooLarge, MaxDecompressedBytes)

// errTruncatedStream is what Kafka says when a compressed stream ends within a record.
var errTruncatedStream = fmt.Errorf("%w: the records end before their declared count", kerr.InvalidRecord)

// decompressor turns the bytes after a batch's header into those of its records.
type decompressor interface {
	io.Reader
	// reset begins with new input.
	reset(src []byte) error
}

// Each codec's decompressors are pooled: their tables and windows are larger than most batches.
var decompressors = [...]sync.Pool{
	Gzip:   {New: func() any { return new(gzipDecompressor) }},
	Snappy: {New: func() any { return new(snappyDecompressor) }},
	LZ4:    {New: func() any { return &lz4Decompressor{r: lz4.NewReader(nil)} }},
	Zstd:   {New: func() any { return newZstd(pooledZstdWindow) }},
}

// largeZstd holds the one decoder for large windows that may run at a time.
var largeZstd sync.Mutex

// withDecompressor calls f with the records of a batch. src is what follows its header.
func withDecompressor(c Codec, src []byte, f func(io.Reader) error) error {
	if c == Zstd && zstdWindow(src) > pooledZstdWindow {
		largeZstd.Lock()
		defer largeZstd.Unlock()
		d := newZstd(maxZstdWindow)
		defer d.r.Close()
		return run(d, src, f)
	}
	pool := &decompressors[c]
	d := pool.Get().(decompressor)
	defer pool.Put(d)
	return run(d, src, f)
}

func run(d decompressor, src []byte, f func(io.Reader) error) error {
	if err := d.reset(src); err != nil {
		return streamError(err)
	}
	return f(d)
}

// streamError maps what a decompressor says. A stream that cannot be decompressed is UNKNOWN_SERVER_ERROR in Kafka, too (a KafkaException without
// a code); one that ends early is INVALID_RECORD.
func streamError(err error) error {
	var ke *kerr.Error
	switch {
	case errors.As(err, &ke):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errTruncatedStream
	}
	return fmt.Errorf("%w: the records cannot be decompressed: %v", kerr.UnknownServerError, err)
}

type gzipDecompressor struct {
	src bytes.Reader
	r   *gzip.Reader
}

func (d *gzipDecompressor) reset(src []byte) (err error) {
	d.src.Reset(src)
	if d.r == nil {
		d.r, err = gzip.NewReader(&d.src)
		return err
	}
	return d.r.Reset(&d.src)
}

func (d *gzipDecompressor) Read(p []byte) (int, error) { return d.r.Read(p) }

type lz4Decompressor struct {
	src bytes.Reader
	r   *lz4.Reader
}

func (d *lz4Decompressor) reset(src []byte) error {
	d.src.Reset(src)
	d.r.Reset(&d.src)
	return nil
}

func (d *lz4Decompressor) Read(p []byte) (int, error) { return d.r.Read(p) }

type zstdDecompressor struct {
	src bytes.Reader
	r   *zstd.Decoder
}

func newZstd(window uint64) *zstdDecompressor {
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(window), zstd.WithDecoderMaxMemory(window))
	if err != nil {
		panic(err) // only the options can be wrong
	}
	return &zstdDecompressor{r: r}
}

func (d *zstdDecompressor) reset(src []byte) error {
	d.src.Reset(src)
	return d.r.Reset(&d.src)
}

func (d *zstdDecompressor) Read(p []byte) (int, error) { return d.r.Read(p) }

// zstdWindow is the window that the first frame asks for, 0 where there is none.
func zstdWindow(src []byte) uint64 {
	var h zstd.Header
	if h.Decode(src) != nil {
		return 0
	}
	if h.SingleSegment {
		return h.FrameContentSize
	}
	return h.WindowSize
}

// snappyDecompressor reads the framing of Java's snappy streams (a 16 byte header, then blocks with their length) and, as Java does, takes bytes without
// that header as one bare block.
type snappyDecompressor struct {
	src     []byte
	block   []byte
	pending []byte
}

var xerialMagic = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const xerialHeaderBytes = 16

func (d *snappyDecompressor) reset(src []byte) error {
	d.src, d.pending = nil, nil
	if !bytes.HasPrefix(src, xerialMagic) {
		return d.decode(src)
	}
	if len(src) < xerialHeaderBytes {
		return io.ErrUnexpectedEOF
	}
	d.src = src[xerialHeaderBytes:]
	return nil
}

func (d *snappyDecompressor) Read(p []byte) (int, error) {
	for len(d.pending) == 0 {
		if len(d.src) == 0 {
			return 0, io.EOF
		}
		if bytes.HasPrefix(d.src, xerialMagic) && len(d.src) >= xerialHeaderBytes { // streams may be concatenated
			d.src = d.src[xerialHeaderBytes:]
			continue
		}
		if len(d.src) < 4 {
			return 0, io.ErrUnexpectedEOF
		}
		n := binary.BigEndian.Uint32(d.src)
		if uint64(n) > uint64(len(d.src)-4) {
			return 0, io.ErrUnexpectedEOF
		}
		block := d.src[4 : 4+n]
		d.src = d.src[4+n:]
		if err := d.decode(block); err != nil {
			return 0, err
		}
	}
	n := copy(p, d.pending)
	d.pending = d.pending[n:]
	return n, nil
}

func (d *snappyDecompressor) decode(block []byte) error {
	n, err := snappy.DecodedLen(block)
	if err != nil {
		return err
	}
	// Snappy cannot shrink more than about 21 to 1: a claim beyond that is a lie, and is not worth its memory.
	if n > maxSnappyBlock || n > 32+64*len(block) {
		return errTooLarge
	}
	if cap(d.block) < n {
		d.block = make([]byte, max(n, chunkBytes))
	}
	d.pending, err = snappy.Decode(d.block[:cap(d.block)], block)
	return err
}
