package storageurl

import (
	"context"
	"errors"
	"fmt"

	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/faulty"
	"github.com/inkwell-project/inkwell/objectstorage/filesystem"
	"github.com/inkwell-project/inkwell/objectstorage/memory"
	"github.com/inkwell-project/inkwell/objectstorage/s3"
)

// Options are what a URL does not say. The zero value is what production uses.
type Options struct {
	// Setting is named in messages, "--store" by default.
	Setting string
	// Retry bounds and measures the requests; its Clock and Rand drive the faults, too.
	Retry objectstorage.RetryConfig
	// Exclusive refuses a second process on a file: folder.
	Exclusive bool
	// NoSync leaves the durability of a file: folder to luck. For tests only.
	NoSync bool
	// S3 replaces parts of an s3: bucket (credentials, network); its Location is the URL's. For tests.
	S3 s3.Config
	// Wrap, if set, goes around the backend, below retries and metrics. For tests.
	Wrap func(objectstorage.Bucket) objectstorage.Bucket
	// ProbeName makes Open probe the store, with an object of this name, new for each start; "" leaves the probe out.
	ProbeName string
}

// probePrefix is beside the objects of clusters.
const probePrefix = "probe/"

// Open is the bucket that url names, with retries and metrics. It fails within objectstorage.ProbeTimeout when the
// store cannot be used; there is no fall back.
func Open(ctx context.Context, url string, opts Options) (objectstorage.Bucket, error) {
	if opts.Setting == "" {
		opts.Setting = "--store"
	}
	loc, err := Parse(url)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", opts.Setting, err)
	}
	bucket, err := loc.open(opts)
	if err != nil {
		return nil, err
	}
	if loc.Faulty() {
		bucket = faulty.New(bucket, faulty.Config{
			Clock: opts.Retry.Clock, Rand: opts.Retry.Rand, Latency: loc.Latency, ErrorRate: loc.ErrorRate,
		})
	}
	if opts.Wrap != nil {
		bucket = opts.Wrap(bucket)
	}
	retrying, err := objectstorage.Retrying(bucket, opts.Retry)
	if err != nil {
		return nil, errors.Join(err, bucket.Close())
	}
	if opts.ProbeName != "" {
		if err := objectstorage.Probe(ctx, retrying, probePrefix, opts.ProbeName); err != nil {
			return nil, errors.Join(err, retrying.Close())
		}
	}
	return retrying, nil
}

// open is the bare backend. Each returns its pointer type, so that a nil one does not become a Bucket.
func (l Location) open(opts Options) (objectstorage.Bucket, error) {
	switch {
	case l.S3 != nil:
		cfg := opts.S3
		cfg.Location, cfg.Setting = *l.S3, opts.Setting
		b, err := s3.Open(cfg)
		if err != nil {
			return nil, err
		}
		return b, nil
	case l.Memory:
		if opts.Retry.Clock != nil {
			return memory.NewWithClock(opts.Retry.Clock), nil
		}
		return memory.New(), nil
	}
	b, err := filesystem.Open(filesystem.Config{Path: l.Path, Setting: opts.Setting, Exclusive: opts.Exclusive, NoSync: opts.NoSync})
	if err != nil {
		return nil, err
	}
	return b, nil
}
