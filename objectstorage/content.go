package objectstorage

import (
	"bytes"
	"context"
)

// comparePiece bounds the memory of a comparison.
const comparePiece = 4 << 20

// ContentReader is what SameContent needs of a Bucket.
type ContentReader interface {
	Head(ctx context.Context, key string) (Info, error)
	GetRange(ctx context.Context, key string, offset int64, dst []byte) error
}

// SameContent says whether the stored object is body. It is how a writer that found its key taken learns whether the
// object is its own. Every byte is compared: this is rare, and a mistake would acknowledge records that are not there.
func SameContent(ctx context.Context, b ContentReader, key string, body [][]byte) (bool, error) {
	info, err := b.Head(ctx, key)
	if err != nil {
		return false, err
	}
	size := BodyBytes(body)
	if info.Bytes != size {
		return false, nil
	}
	piece := make([]byte, min(size, comparePiece))
	for offset := int64(0); offset < size; offset += int64(len(piece)) {
		piece = piece[:min(int64(len(piece)), size-offset)]
		if err := b.GetRange(ctx, key, offset, piece); err != nil {
			return false, err
		}
		rest := piece
		for len(rest) > 0 {
			n := min(len(body[0]), len(rest))
			if !bytes.Equal(body[0][:n], rest[:n]) {
				return false, nil
			}
			rest = rest[n:]
			if n == len(body[0]) {
				body = body[1:]
				continue
			}
			// The caller's slice of slices stays as it is.
			body = append([][]byte{body[0][n:]}, body[1:]...)
		}
	}
	return true, nil
}
