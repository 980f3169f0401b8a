package s3

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"sync"

	"github.com/inkwell-project/inkwell/objectstorage"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// bodyReader reads slices one after the other without joining them, from the start as often as asked. It has no WriteTo
// on purpose: that would hand the slices to the HTTP client for longer than detach could tell.
type bodyReader struct {
	body [][]byte
	size int64

	mu       sync.Mutex // guards what follows; detach waits for a Read that copies
	at       int        // the next byte is body[at][skip]
	skip     int
	detached bool
}

var errDetached = errors.New("the request was given up")

func newBodyReader(body [][]byte) *bodyReader {
	return &bodyReader{body: body, size: objectstorage.BodyBytes(body)}
}

// Read implements io.Reader.
func (r *bodyReader) Read(dst []byte) (n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.detached {
		return 0, errDetached
	}
	for n < len(dst) && r.at < len(r.body) {
		c := copy(dst[n:], r.body[r.at][r.skip:])
		n += c
		r.skip += c
		if r.skip == len(r.body[r.at]) {
			r.at, r.skip = r.at+1, 0
		}
	}
	if n == 0 && len(dst) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Seek implements io.Seeker, for the start only: that is where a request begins.
func (r *bodyReader) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekStart {
		return 0, errors.ErrUnsupported
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at, r.skip = 0, 0
	return 0, nil
}

// detach makes later Reads fail.
func (r *bodyReader) detach() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.detached = true
	r.body = nil
}

// crc32c is the checksum as S3 writes it.
func (r *bodyReader) crc32c() string {
	crc := uint32(0)
	for _, b := range r.body {
		crc = crc32.Update(crc, castagnoli, b)
	}
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc))
}
