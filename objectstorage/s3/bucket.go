package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/internal/gate"
)

// listPage is the most that S3 lists in one answer, and deletePage the most that it deletes in one request.
const (
	listPage   = 1000
	deletePage = 1000
)

// Config says which bucket, and through what.
type Config struct {
	Location
	// Setting is named in messages, "--store" by default.
	Setting string
	// Credentials replace the usual chain (environment, profile, role). For tests.
	Credentials *credentials.Credentials
	// Dial opens connections; nil is the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Wrap, if set, goes around the HTTP transport. For tests.
	Wrap func(http.RoundTripper) http.RoundTripper
}

// SetDefaults fills what is zero.
func (c *Config) SetDefaults() {
	if c.Setting == "" {
		c.Setting = "--store"
	}
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if c.Region == "" {
			c.Region = os.Getenv(name)
		}
	}
	if c.Region == "" && c.Endpoint != "" {
		c.Region = "us-east-1" // what S3-compatible servers take for granted
	}
}

// Validate reports all mistakes at once.
func (c *Config) Validate() error {
	var errs []error
	if c.Bucket == "" {
		errs = append(errs, fmt.Errorf("%s: no bucket; want s3://bucket/prefix?region=…", c.Setting))
	}
	if c.Region == "" {
		errs = append(errs, fmt.Errorf("%s: no region; add ?region=… or set AWS_REGION", c.Setting))
	}
	return errors.Join(errs...)
}

// Bucket is a prefix of an S3 bucket.
type Bucket struct {
	loc       Location
	prefix    string // of keys: "" or ending with a slash
	client    *minio.Client
	core      minio.Core
	transport *pools
	gate      gate.Gate
}

// Open makes no request: whether the bucket can be reached is for the probe to find out.
func Open(cfg Config) (*Bucket, error) {
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	b := &Bucket{loc: cfg.Location, transport: newPools(cfg.Dial)}
	if cfg.Prefix != "" {
		b.prefix = cfg.Prefix + "/"
	}
	var transport http.RoundTripper = b.transport
	if cfg.Wrap != nil {
		transport = cfg.Wrap(transport)
	}
	creds := cfg.Credentials
	if creds == nil {
		creds = newCredentials(cfg.Region)
	}
	endpoint := cfg.Endpoint
	if endpoint == "" {
		endpoint = "s3.amazonaws.com" // the client makes the region's of it
	}
	lookup := minio.BucketLookupDNS
	if cfg.PathStyle {
		lookup = minio.BucketLookupPath
	}
	client, err := minio.New(endpoint, &minio.Options{
		Creds: creds, Secure: !cfg.Insecure, Transport: transport, Region: cfg.Region, BucketLookup: lookup,
		TrailingHeaders: false, // not every server takes them; the checksum goes into a header
		MaxRetries:      1,
	})
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", cfg.Setting, b, err)
	}
	client.SetAppInfo("inkwell", "1")
	b.client, b.core = client, minio.Core{Client: client}
	return b, nil
}

// PutIfAbsent implements objectstorage.Bucket.
func (b *Bucket) PutIfAbsent(ctx context.Context, key string, body [][]byte) error {
	name, err := b.enter(ctx, key)
	if err != nil {
		return err
	}
	defer b.gate.Leave()
	reader := newBodyReader(body)
	// The HTTP client may still read after it returned: the slices are the caller's again, so cut it off.
	defer reader.detach()
	opts := minio.PutObjectOptions{
		ContentType:      "application/octet-stream",
		DisableMultipart: true, // one request, so that the condition and the checksum are about the whole
		// Signing every chunk costs more than the checksum and shows no more.
		DisableContentSha256: true,
		UserMetadata:         map[string]string{"X-Amz-Checksum-Crc32c": reader.crc32c()},
	}
	opts.SetMatchETagExcept("*")
	if _, err := b.client.PutObject(ctx, b.loc.Bucket, name, reader, reader.size, opts); err != nil {
		return fmt.Errorf("put %s: %w", key, mapError(ctx, err))
	}
	return nil
}

// GetRange implements objectstorage.Bucket.
func (b *Bucket) GetRange(ctx context.Context, key string, offset int64, dst []byte) error {
	if offset < 0 {
		return fmt.Errorf("get %s: offset %d is negative", key, offset)
	}
	if len(dst) == 0 { // S3 has no empty range
		info, err := b.Head(ctx, key)
		if err == nil && offset > info.Bytes {
			err = fmt.Errorf("get %s: offset %d of %d: %w", key, offset, info.Bytes, objectstorage.ErrShortRead)
		}
		return err
	}
	name, err := b.enter(ctx, key)
	if err != nil {
		return err
	}
	defer b.gate.Leave()
	if err := b.getRange(ctx, name, offset, dst); err != nil {
		return fmt.Errorf("get %s: %d bytes at %d: %w", key, len(dst), offset, mapError(ctx, err))
	}
	return nil
}

func (b *Bucket) getRange(ctx context.Context, name string, offset int64, dst []byte) error {
	var opts minio.GetObjectOptions
	if err := opts.SetRange(offset, offset+int64(len(dst))-1); err != nil {
		return err
	}
	body, _, header, err := b.core.GetObject(ctx, b.loc.Bucket, name, opts)
	if err != nil {
		return err
	}
	defer body.Close()
	// "bytes first-last/size". A server that ignored the range, or shifted it, must not pass for one that did not.
	from, _, found := strings.Cut(strings.TrimPrefix(header.Get("Content-Range"), "bytes "), "-")
	if first, err := strconv.ParseInt(from, 10, 64); !found || err != nil || first != offset {
		return fmt.Errorf("the store answered with the range %q", header.Get("Content-Range"))
	}
	length, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	if err == nil && length < int64(len(dst)) {
		return fmt.Errorf("the store has %d: %w", length, objectstorage.ErrShortRead)
	}
	if n, err := io.ReadFull(body, dst); err != nil {
		return fmt.Errorf("after %d: %w", n, err)
	}
	// Reading to the end lets the connection be used again.
	if n, err := io.CopyN(io.Discard, body, 1); n != 0 || err != io.EOF {
		return fmt.Errorf("the store sent more than was asked for: %w", errors.Join(objectstorage.ErrShortRead, err))
	}
	return nil
}

// Head implements objectstorage.Bucket.
func (b *Bucket) Head(ctx context.Context, key string) (objectstorage.Info, error) {
	name, err := b.enter(ctx, key)
	if err != nil {
		return objectstorage.Info{}, err
	}
	defer b.gate.Leave()
	stat, err := b.client.StatObject(ctx, b.loc.Bucket, name, minio.StatObjectOptions{})
	if err != nil {
		return objectstorage.Info{}, fmt.Errorf("head %s: %w", key, mapError(ctx, err))
	}
	return objectstorage.Info{Key: key, Bytes: stat.Size, Modified: stat.LastModified}, nil
}

// List implements objectstorage.Bucket.
func (b *Bucket) List(ctx context.Context, prefix, startAfter string, max int) ([]objectstorage.Info, error) {
	if err := b.gate.Enter(ctx); err != nil {
		return nil, err
	}
	defer b.gate.Leave()
	if max <= 0 {
		return nil, nil
	}
	opts := minio.ListObjectsOptions{Prefix: b.prefix + prefix, Recursive: true, MaxKeys: min(max, listPage), FetchOwner: new(bool)}
	if startAfter != "" {
		opts.StartAfter = b.prefix + startAfter
	}
	var infos []objectstorage.Info
	for object := range b.client.ListObjectsIter(ctx, b.loc.Bucket, opts) {
		if object.Err != nil {
			return nil, fmt.Errorf("list %q after %q: %w", prefix, startAfter, mapError(ctx, object.Err))
		}
		key := strings.TrimPrefix(object.Key, b.prefix)
		if objectstorage.CheckKey(key) != nil {
			continue // not ours, such as the "folder" objects that consoles make
		}
		infos = append(infos, objectstorage.Info{Key: key, Bytes: object.Size, Modified: object.LastModified})
		if len(infos) == max {
			break
		}
	}
	if ctx.Err() != nil { // the iterator just ends then, and half a list looks like a whole one
		return nil, context.Cause(ctx)
	}
	return infos, nil
}

// String implements objectstorage.Bucket.
func (b *Bucket) String() string { return b.loc.String() }

// Close implements objectstorage.Bucket.
func (b *Bucket) Close() error {
	b.gate.Close()
	b.transport.closeIdle()
	return nil
}

// enter begins a call about one key and names its object; without an error the caller leaves the gate.
func (b *Bucket) enter(ctx context.Context, key string) (name string, err error) {
	if err := objectstorage.CheckKey(key); err != nil {
		return "", err
	}
	name = b.prefix + key
	if len(name) > objectstorage.MaxKeyBytes {
		return "", fmt.Errorf("%w: %d bytes with the prefix of the bucket, at most %d", objectstorage.ErrInvalidKey, len(name), objectstorage.MaxKeyBytes)
	}
	return name, b.gate.Enter(ctx)
}
