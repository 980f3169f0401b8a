package objectstorage

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Bounds of uploads that every backend can hold to. They are S3's; only S3 refuses smaller parts.
const (
	MinPartBytes   = 5 << 20
	MaxUploadParts = 10_000
)

// ErrUpload: the upload is unknown, because it was completed or aborted, or lacks a part.
var ErrUpload = errors.New("no such upload, or a part of it is missing")

// ErrInvalidPart refuses a part that not every backend could hold.
var ErrInvalidPart = errors.New("invalid part")

// Upload is an object that is put in parts. Its methods may be called by many; nothing is visible before Complete.
type Upload interface {
	// PutPart stores part number of the object, counted from 0. Every part but the last has the partBytes of StartUpload, the last one has 1 to
	// partBytes. A part may be put again, with the same bytes. body is as in PutIfAbsent.
	PutPart(ctx context.Context, number int, body [][]byte) error
	// Complete makes the object of the parts 0 to parts-1 visible, durably before it returns nil, with the outcomes of PutIfAbsent.
	Complete(ctx context.Context, parts int) error
	// Abort throws the parts away. After Complete it does nothing.
	Abort(ctx context.Context) error
}

// UnfinishedUpload is one that was neither completed nor aborted: it goes on, or nobody knows of it any more.
type UnfinishedUpload struct {
	Key     string // empty if the store does not know it
	ID      string // the store's own
	Started time.Time
}

// CheckPart refuses what no backend takes.
func CheckPart(number int, bytes int64, partBytes int) error {
	if number < 0 || number >= MaxUploadParts || bytes < 1 || bytes > int64(partBytes) {
		return fmt.Errorf("%w %d of %d bytes; numbers are 0 to %d, sizes 1 to %d", ErrInvalidPart, number, bytes, MaxUploadParts-1, partBytes)
	}
	return nil
}

// CheckUpload refuses a part size that makes no sense.
func CheckUpload(key string, partBytes int) error {
	if partBytes < 1 {
		return fmt.Errorf("upload %s: %w: %d bytes", key, ErrInvalidPart, partBytes)
	}
	return CheckKey(key)
}
