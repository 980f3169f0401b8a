package objectstorage

import (
	"context"
	"errors"
	"time"
)

// Errors that every backend maps its own to, wrapped with the key and what the store said.
var (
	// ErrExists answers a PutIfAbsent whose key is taken. After a retry it may be the caller's own first attempt:
	// compare the object's identity, never assume a foreign writer.
	ErrExists = errors.New("the object exists already")
	// ErrNotFound: no object of that key.
	ErrNotFound = errors.New("no such object")
	// ErrThrottled: the store asks for fewer requests. Retriable.
	ErrThrottled = errors.New("the object store throttles")
	// ErrDenied: credentials are missing, wrong or not allowed to do this. Not retriable.
	ErrDenied = errors.New("access denied")
	// ErrFull: no space is left. Retriable by the caller, later.
	ErrFull = errors.New("the object store is full")
	// ErrShortRead: the store returned fewer bytes than the range that was asked for.
	ErrShortRead = errors.New("short read")
)

// DiskBlock is what a local disk reads and writes at a time, in bytes.
const DiskBlock = 4096

// WholeBlock is where the disk's block that has offset begins. Into memory that begins with a page, a folder reads a range from there on past the page cache and without a
// copy; other stores read some bytes more.
func WholeBlock(offset int64) int64 { return offset &^ (DiskBlock - 1) }

// Info describes a stored object.
type Info struct {
	Key      string
	Bytes    int64
	Modified time.Time
}

// Bucket is a flat folder of immutable objects. All methods may be called by many; each honours its ctx.
type Bucket interface {
	// PutIfAbsent stores the concatenation of body under key, durably before it returns nil, or returns ErrExists and
	// changes nothing. body is only read, and not after the return; an implementation that retries reads it again from the start.
	// An error other than ErrExists and ErrDenied leaves the outcome unknown.
	PutIfAbsent(ctx context.Context, key string, body [][]byte) error
	// StartUpload begins an object that is put in parts of partBytes, at least MinPartBytes, so that it is never in memory as a whole.
	StartUpload(ctx context.Context, key string, partBytes int) (Upload, error)
	// AbortUploads throws away the unfinished uploads of keys with the prefix, whoever began them, and says how many.
	AbortUploads(ctx context.Context, prefix string) (int, error)
	// ListUploads returns up to max unfinished uploads of keys with the prefix, whoever began them, and whether there are more. One that begins meanwhile may be
	// left out. A store that does not know an upload's key returns it for every prefix.
	ListUploads(ctx context.Context, prefix string, max int) (uploads []UnfinishedUpload, more bool, err error)
	// AbortUpload throws away one that ListUploads returned. One that is gone counts as thrown away.
	AbortUpload(ctx context.Context, u UnfinishedUpload) error
	// GetRange fills dst with the object's bytes from offset on. Fewer bytes than len(dst) is ErrShortRead.
	GetRange(ctx context.Context, key string, offset int64, dst []byte) error
	// Head describes one object.
	Head(ctx context.Context, key string) (Info, error)
	// List returns up to max objects whose keys have the prefix and sort after startAfter, in key order.
	List(ctx context.Context, prefix, startAfter string, max int) ([]Info, error)
	// DeleteMany removes keys, any number of them. A key that does not exist counts as removed. The result has one error for each key, nil where it is gone.
	DeleteMany(ctx context.Context, keys []string) []error
	// String is the bucket's URL without secrets.
	String() string
	// Close releases connections and locks.
	Close() error
}
