package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/objectstoragetest"
	"github.com/inkwell-project/inkwell/objectstorage/s3"
)

// between is a network that the test has a hand in.
type between struct {
	http.RoundTripper
	do func(next http.RoundTripper, req *http.Request) (*http.Response, error)
}

func (b between) RoundTrip(req *http.Request) (*http.Response, error) {
	return b.do(b.RoundTripper, req)
}

func openBetween(t *testing.T, server objectstoragetest.S3Server, do func(http.RoundTripper, *http.Request) (*http.Response, error)) *s3.Bucket {
	t.Helper()
	cfg := config(t, server)
	cfg.Wrap = func(next http.RoundTripper) http.RoundTripper { return between{next, do} }
	return open(t, cfg)
}

// A bit that flips on the way must not become an object.
func TestCorruptUploadIsRefused(t *testing.T) {
	server := objectstoragetest.StartVersityGW(t)
	b := openBetween(t, server, func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodPut {
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return nil, err
			}
			body[len(body)/2] ^= 1
			req.Body = io.NopCloser(bytes.NewReader(body))
		}
		return next.RoundTrip(req)
	})
	if err := b.PutIfAbsent(t.Context(), "k", objectstoragetest.Body(1, 5000)); err == nil {
		t.Fatal("the store took bytes that differ from their checksum")
	}
	if _, err := b.Head(t.Context(), "k"); !errors.Is(err, objectstorage.ErrNotFound) {
		t.Fatalf("head: %v", err)
	}
}

// An answer of the store, and what it means to the caller. Each is one request: repeating is not this package's.
func TestAnswersAndTheirMeaning(t *testing.T) {
	server := objectstoragetest.StartFakeS3(t)
	var status, requests atomic.Int32
	var code atomic.Value
	b := openBetween(t, server, func(_ http.RoundTripper, req *http.Request) (*http.Response, error) {
		requests.Add(1)
		body := fmt.Sprintf("<Error><Code>%s</Code><Message>%s</Message></Error>", code.Load(), strings.Repeat("long ", 1000))
		return &http.Response{StatusCode: int(status.Load()), Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
	})
	all := []error{objectstorage.ErrExists, objectstorage.ErrNotFound, objectstorage.ErrThrottled, objectstorage.ErrDenied,
		objectstorage.ErrFull, objectstorage.ErrShortRead, objectstorage.ErrNoBucket}
	for _, test := range []struct {
		status int32
		code   string
		want   error
	}{
		{412, "PreconditionFailed", objectstorage.ErrExists},
		{409, "ConditionalRequestConflict", nil},
		{404, "NoSuchKey", objectstorage.ErrNotFound},
		{404, "NoSuchBucket", objectstorage.ErrNoBucket},
		{503, "SlowDown", objectstorage.ErrThrottled},
		{429, "Whatever", objectstorage.ErrThrottled},
		{403, "AccessDenied", objectstorage.ErrDenied},
		{403, "SignatureDoesNotMatch", objectstorage.ErrDenied},
		{400, "ExpiredToken", objectstorage.ErrDenied},
		{507, "XMinioStorageFull", objectstorage.ErrFull},
		{500, "InternalError", nil},
		{400, "BadDigest", nil},
	} {
		status.Store(test.status)
		code.Store(test.code)
		for name, call := range map[string]func() error{
			"put":    func() error { return b.PutIfAbsent(t.Context(), "k", objectstoragetest.Body(1, 10)) },
			"get":    func() error { return b.GetRange(t.Context(), "k", 0, make([]byte, 5)) },
			"list":   func() error { _, err := b.List(t.Context(), "", "", 5); return err },
			"delete": func() error { return b.DeleteMany(t.Context(), []string{"k"})[0] },
		} {
			if name == "delete" && test.code == "NoSuchKey" {
				continue
			}
			before := requests.Load()
			err := call()
			if err == nil {
				t.Errorf("%s answered by %d %s: no error", name, test.status, test.code)
				continue
			}
			for _, is := range all {
				if errors.Is(err, is) != (is == test.want) {
					t.Errorf("%s answered by %d %s: %v", name, test.status, test.code, err)
				}
			}
			if n := requests.Load() - before; n != 1 {
				t.Errorf("%s answered by %d %s: %d requests", name, test.status, test.code, n)
			}
			if len(err.Error()) > 600 {
				t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
			}
		}
	}
}

// The HTTP client may read a request's body after it gave the call up; the body is the caller's again by then.
func TestBodyIsNotReadAfterTheReturn(t *testing.T) {
	server := objectstoragetest.StartFakeS3(t)
	var late io.Reader
	ctx, cancel := context.WithCancel(t.Context())
	b := openBetween(t, server, func(_ http.RoundTripper, req *http.Request) (*http.Response, error) {
		late = req.Body
		if _, err := io.ReadFull(req.Body, make([]byte, 10)); err != nil {
			t.Error(err)
		}
		cancel()
		return nil, ctx.Err()
	})
	body := objectstoragetest.Body(1, 1000)
	if err := b.PutIfAbsent(ctx, "k", body); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if n, err := late.Read(make([]byte, 10)); n != 0 || err == nil || err == io.EOF {
		t.Errorf("read %d bytes, %v, of a body that was given back", n, err)
	}
}

// A server that ignores the range, answers another one, or breaks off must not pass for one that did as told.
func TestRangesAreChecked(t *testing.T) {
	server := objectstoragetest.StartFakeS3(t)
	if err := open(t, config(t, server)).PutIfAbsent(t.Context(), "k", objectstoragetest.Body(1, 1000)); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(req *http.Request, resp *http.Response){
		"ignored": func(req *http.Request, resp *http.Response) { resp.Header.Del("Content-Range") },
		"shifted": func(req *http.Request, resp *http.Response) { resp.Header.Set("Content-Range", "bytes 5-104/1000") },
		"broken off": func(req *http.Request, resp *http.Response) {
			resp.Body = io.NopCloser(io.MultiReader(io.LimitReader(resp.Body, 50), errReader{io.ErrUnexpectedEOF}))
		},
		"longer": func(req *http.Request, resp *http.Response) {
			resp.Body = io.NopCloser(io.MultiReader(resp.Body, strings.NewReader("x")))
		},
	} {
		b := openBetween(t, server, func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			if err == nil {
				body := resp.Body
				change(req, resp)
				resp.Body = struct {
					io.Reader
					io.Closer
				}{resp.Body, body}
			}
			return resp, err
		})
		if err := b.GetRange(t.Context(), "k", 100, make([]byte, 100)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// A delete of some keys fails: the others are gone, and a key that the store is silent about is not.
func TestDeleteKeepsPartialSuccess(t *testing.T) {
	server := objectstoragetest.StartFakeS3(t)
	const answer = `<DeleteResult><Deleted><Key>test/prefix/a</Key></Deleted>` +
		`<Error><Key>test/prefix/b</Key><Code>AccessDenied</Code><Message>no</Message></Error>` +
		`<Error><Key>test/prefix/c</Key><Code>NoSuchKey</Code><Message>gone</Message></Error></DeleteResult>`
	b := openBetween(t, server, func(_ http.RoundTripper, req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer)), Request: req}, nil
	})
	errs := b.DeleteMany(t.Context(), []string{"a", "b", "c", "d", "a"})
	if errs[0] != nil || !errors.Is(errs[1], objectstorage.ErrDenied) || errs[2] != nil || errs[3] == nil || errs[4] != nil {
		t.Errorf("%v", errs)
	}
}
