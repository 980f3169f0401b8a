package objectstorage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ProbeTimeout bounds the start-up probe: a process says within this time that its store does not work.
const ProbeTimeout = 15 * time.Second

// Probe does once, with a small object, all that a broker will do, so that a wrong setting shows at the start and not
// at the first record. uniqueName must be new each time; the object is prefix + uniqueName and is removed again.
// The error says which step failed, which setting it is about and what to check.
func Probe(ctx context.Context, b Bucket, prefix, uniqueName string) error {
	ctx, cancel := context.WithTimeout(ctx, ProbeTimeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		key := prefix + uniqueName
		if attempt > 1 {
			key = fmt.Sprintf("%s-%d", key, attempt) // the one before may not have been removed
		}
		p := probe{bucket: b, key: key, content: []byte("inkwell probe " + uniqueName + "\n")}
		err := p.run(ctx)
		if p.written {
			// Also after a failure, with what is left of the time, so that failed starts do not fill the store.
			err = errors.Join(err, p.remove(ctx))
		}
		// A store that throttles is the right one, and many brokers that start again at once are why it may.
		if !errors.Is(err, ErrThrottled) || !wait(ctx, probeAgain) {
			return err
		}
	}
}

// probeAgain is the wait before a throttled probe is made again.
const probeAgain = time.Second

// wait returns false when ctx ends before.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

type probe struct {
	bucket  Bucket
	key     string
	content []byte
	written bool
}

func (p *probe) run(ctx context.Context) error {
	err := p.bucket.PutIfAbsent(ctx, p.key, [][]byte{p.content[:5], p.content[5:]})
	if err != nil {
		return p.failed("writing an object", err)
	}
	p.written = true
	err = p.bucket.PutIfAbsent(ctx, p.key, [][]byte{[]byte("other content")})
	if err == nil {
		return p.failed("refusing to overwrite an object",
			errors.New("the store overwrote it; it does not support conditional writes (If-None-Match), without which records can be lost"))
	}
	if !errors.Is(err, ErrExists) {
		return p.failed("refusing to overwrite an object", err)
	}
	got := make([]byte, len(p.content)-3)
	if err := p.bucket.GetRange(ctx, p.key, 3, got); err != nil {
		return p.failed("reading a range of an object", err)
	}
	if !bytes.Equal(got, p.content[3:]) {
		return p.failed("reading a range of an object", fmt.Errorf("got %q instead of %q", got, p.content[3:]))
	}
	infos, err := p.bucket.List(ctx, p.key, "", 10)
	if err != nil {
		return p.failed("listing objects", err)
	}
	listed := slices.ContainsFunc(infos, func(i Info) bool { return i.Key == p.key && i.Bytes == int64(len(p.content)) })
	if !listed {
		return p.failed("listing objects", errors.New("the object that was just written is not in the list"))
	}
	return nil
}

func (p *probe) remove(ctx context.Context) error {
	if err := errors.Join(p.bucket.DeleteMany(ctx, []string{p.key})...); err != nil {
		return p.failed("deleting an object", err)
	}
	if _, err := p.bucket.Head(ctx, p.key); !errors.Is(err, ErrNotFound) {
		return p.failed("deleting an object", fmt.Errorf("it is still there: %v", err))
	}
	return nil
}

// failed adds what to do.
func (p *probe) failed(step string, err error) error {
	return fmt.Errorf("the object store of --store %s failed the start-up probe at %s (%s): %w\ncheck: %s",
		p.bucket, step, p.key, err, p.hint(err))
}

func (p *probe) hint(err error) string {
	local := strings.HasPrefix(p.bucket.String(), "file:")
	switch {
	case errors.Is(err, ErrDenied) && local:
		return "may this user read and write the folder, and is its file system mounted writable"
	case errors.Is(err, ErrDenied):
		return "the credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or the role of this machine), and that they may get, put, list and delete objects in this bucket"
	case errors.Is(err, ErrFull):
		return "is there space left"
	case errors.Is(err, ErrNoBucket):
		return "does the bucket exist, in the region and at the endpoint that --store names"
	case local:
		return "does the folder that --store names work for this user (permissions, space, file system errors)"
	}
	return "is the endpoint that --store names right and reachable from here (host, port, http or https, proxy, firewall), does the bucket exist, are the region and path_style right"
}
