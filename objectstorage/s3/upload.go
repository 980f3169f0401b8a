package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/minio/minio-go/v7"

	"github.com/inkwell-project/inkwell/objectstorage"
)

// upload is a multipart upload.
type upload struct {
	b         *Bucket
	key, name string
	id        string
	partBytes int

	mu    sync.Mutex // guards what follows
	parts map[int]minio.CompletePart
	ended bool
}

// uploadsPage is the most that S3 lists in one answer.
const uploadsPage = 1000

// StartUpload implements objectstorage.Bucket.
func (b *Bucket) StartUpload(ctx context.Context, key string, partBytes int) (objectstorage.Upload, error) {
	name, err := b.enter(ctx, key)
	if err != nil {
		return nil, err
	}
	defer b.gate.Leave()
	if err := objectstorage.CheckUpload(key, partBytes); err != nil {
		return nil, err
	}
	if partBytes < objectstorage.MinPartBytes {
		return nil, fmt.Errorf("upload %s: parts of %d bytes, S3 takes %d and more", key, partBytes, objectstorage.MinPartBytes)
	}
	id, err := b.core.NewMultipartUpload(ctx, b.loc.Bucket, name, minio.PutObjectOptions{
		ContentType:  "application/octet-stream",
		UserMetadata: map[string]string{"X-Amz-Checksum-Algorithm": "CRC32C"},
	})
	if err != nil {
		return nil, fmt.Errorf("put %s: %w", key, mapError(ctx, err))
	}
	return &upload{b: b, key: key, name: name, id: id, partBytes: partBytes, parts: map[int]minio.CompletePart{}}, nil
}

// PutPart implements objectstorage.Upload.
func (u *upload) PutPart(ctx context.Context, number int, body [][]byte) error {
	if err := u.b.gate.Enter(ctx); err != nil {
		return err
	}
	defer u.b.gate.Leave()
	reader := newBodyReader(body)
	defer reader.detach()
	if err := objectstorage.CheckPart(number, reader.size, u.partBytes); err != nil {
		return fmt.Errorf("put %s: %w", u.key, err)
	}
	crc := reader.crc32c()
	header := http.Header{}
	header.Set("X-Amz-Checksum-Crc32c", crc)
	stored, err := u.b.core.PutObjectPart(ctx, u.b.loc.Bucket, u.name, u.id, number+1, reader, reader.size,
		minio.PutObjectPartOptions{CustomHeader: header, DisableContentSha256: true})
	if err != nil {
		return fmt.Errorf("put %s: part %d: %w", u.key, number, u.mapError(ctx, err))
	}
	part := minio.CompletePart{PartNumber: number + 1, ETag: stored.ETag}
	if stored.ChecksumCRC32C != "" { // a server that knows no checksums would refuse them in the end
		part.ChecksumCRC32C = crc
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.parts[number] = part
	return nil
}

// Complete implements objectstorage.Upload. Not every server honours the condition here, so that a look goes before it: keys are written once by who names them, and
// what is refused this way is one's own earlier request.
func (u *upload) Complete(ctx context.Context, parts int) error {
	if err := u.b.gate.Enter(ctx); err != nil {
		return err
	}
	defer u.b.gate.Leave()
	u.mu.Lock()
	list := make([]minio.CompletePart, 0, parts)
	for n := range parts {
		if part, ok := u.parts[n]; ok {
			list = append(list, part)
		}
	}
	missing := len(list) != parts || parts == 0 || len(u.parts) != parts
	u.mu.Unlock()
	if missing {
		return fmt.Errorf("put %s: %d of %d parts: %w", u.key, len(list), parts, objectstorage.ErrUpload)
	}
	_, err := u.b.client.StatObject(ctx, u.b.loc.Bucket, u.name, minio.StatObjectOptions{})
	if err == nil {
		return fmt.Errorf("put %s: %w", u.key, objectstorage.ErrExists)
	}
	if err := mapError(ctx, err); !errors.Is(err, objectstorage.ErrNotFound) {
		return fmt.Errorf("put %s: %w", u.key, err)
	}
	var opts minio.PutObjectOptions
	opts.SetMatchETagExcept("*")
	if _, err := u.b.core.CompleteMultipartUpload(ctx, u.b.loc.Bucket, u.name, u.id, list, opts); err != nil {
		return fmt.Errorf("put %s: %w", u.key, u.mapError(ctx, err))
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended = true
	return nil
}

// Abort implements objectstorage.Upload.
func (u *upload) Abort(ctx context.Context) error {
	if err := u.b.gate.Enter(ctx); err != nil {
		return err
	}
	defer u.b.gate.Leave()
	u.mu.Lock()
	ended := u.ended
	u.mu.Unlock()
	if ended {
		return nil
	}
	return u.b.abort(ctx, u.name, u.id)
}

func (b *Bucket) abort(ctx context.Context, name, id string) error {
	err := mapUploadError(ctx, b.core.AbortMultipartUpload(ctx, b.loc.Bucket, name, id))
	if err == nil || errors.Is(err, objectstorage.ErrUpload) {
		return nil
	}
	return fmt.Errorf("abort of the upload of %s: %w", name, err)
}

// AbortUploads implements objectstorage.Bucket.
func (b *Bucket) AbortUploads(ctx context.Context, prefix string) (aborted int, err error) {
	if err := b.gate.Enter(ctx); err != nil {
		return 0, err
	}
	defer b.gate.Leave()
	key, id := "", ""
	for {
		page, err := b.core.ListMultipartUploads(ctx, b.loc.Bucket, b.prefix+prefix, key, id, "", uploadsPage)
		if err != nil {
			return aborted, fmt.Errorf("listing uploads of %q: %w", prefix, mapError(ctx, err))
		}
		for _, u := range page.Uploads {
			if err := b.abort(ctx, u.Key, u.UploadID); err != nil {
				return aborted, err
			}
			aborted++
		}
		if !page.IsTruncated || page.NextKeyMarker == key && page.NextUploadIDMarker == id {
			return aborted, nil
		}
		key, id = page.NextKeyMarker, page.NextUploadIDMarker
	}
}

// ListUploads implements objectstorage.Bucket.
func (b *Bucket) ListUploads(ctx context.Context, prefix string, max int) (list []objectstorage.UnfinishedUpload, more bool, err error) {
	if err := b.gate.Enter(ctx); err != nil {
		return nil, false, err
	}
	defer b.gate.Leave()
	key, id := "", ""
	for {
		page, err := b.core.ListMultipartUploads(ctx, b.loc.Bucket, b.prefix+prefix, key, id, "", uploadsPage)
		if err != nil {
			return nil, false, fmt.Errorf("listing uploads of %q: %w", prefix, mapError(ctx, err))
		}
		for _, u := range page.Uploads {
			if len(list) == max {
				return list, true, nil
			}
			list = append(list, objectstorage.UnfinishedUpload{Key: strings.TrimPrefix(u.Key, b.prefix), ID: u.UploadID, Started: u.Initiated})
		}
		if !page.IsTruncated || page.NextKeyMarker == key && page.NextUploadIDMarker == id {
			return list, page.IsTruncated, nil
		}
		key, id = page.NextKeyMarker, page.NextUploadIDMarker
	}
}

// AbortUpload implements objectstorage.Bucket.
func (b *Bucket) AbortUpload(ctx context.Context, u objectstorage.UnfinishedUpload) error {
	name, err := b.enter(ctx, u.Key)
	if err != nil {
		return err
	}
	defer b.gate.Leave()
	return b.abort(ctx, name, u.ID)
}

func (u *upload) mapError(ctx context.Context, err error) error { return mapUploadError(ctx, err) }

// mapUploadError knows the codes that only uploads have.
func mapUploadError(ctx context.Context, err error) error {
	mapped := mapError(ctx, err)
	var answer minio.ErrorResponse
	if ctx.Err() == nil && errors.As(err, &answer) {
		switch answer.Code {
		case "NoSuchUpload", "InvalidPart", "InvalidPartOrder":
			return fmt.Errorf("%w: %v", objectstorage.ErrUpload, mapped)
		}
	}
	return mapped
}
