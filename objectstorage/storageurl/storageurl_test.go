package storageurl_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/faulty"
	"github.com/inkwell-project/inkwell/objectstorage/objectstoragetest"
	"github.com/inkwell-project/inkwell/objectstorage/s3"
	"github.com/inkwell-project/inkwell/objectstorage/storageurl"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParse(t *testing.T) {
	for _, test := range []struct {
		url  string
		want storageurl.Location
	}{
		{"memory:", storageurl.Location{Memory: true}},
		{"file:///var/lib/x", storageurl.Location{Path: "/var/lib/x"}},
		{"file:/var/lib/x/", storageurl.Location{Path: "/var/lib/x"}},
		{"file://localhost/a%20b", storageurl.Location{Path: "/a b"}},
		{"file:///x?faulty_put_latency=100ms", storageurl.Location{Path: "/x", Latency: map[faulty.Op]faulty.Latency{faulty.Put: {Min: 100 * time.Millisecond, Max: 100 * time.Millisecond}}}},
		{"memory:?faulty_latency=1ms..5ms&faulty_error_rate=0.25", storageurl.Location{Memory: true, ErrorRate: 0.25, Latency: map[faulty.Op]faulty.Latency{faulty.Any: {Min: time.Millisecond, Max: 5 * time.Millisecond}}}},
		{"s3://my-bucket?region=eu-central-1", storageurl.Location{S3: &s3.Location{Bucket: "my-bucket", Region: "eu-central-1"}}},
		{"s3://my-bucket/a/b/?endpoint=http://127.0.0.1:7070", storageurl.Location{S3: &s3.Location{Bucket: "my-bucket", Prefix: "a/b", Endpoint: "127.0.0.1:7070", Insecure: true, PathStyle: true}}},
		{"s3://my-bucket?endpoint=minio.local:9000&path_style=false", storageurl.Location{S3: &s3.Location{Bucket: "my-bucket", Endpoint: "minio.local:9000"}}},
		{"s3://my-bucket?endpoint=minio:9000&insecure=true&faulty_get_latency=2s", storageurl.Location{
			S3:      &s3.Location{Bucket: "my-bucket", Endpoint: "minio:9000", Insecure: true, PathStyle: true},
			Latency: map[faulty.Op]faulty.Latency{faulty.Get: {Min: 2 * time.Second, Max: 2 * time.Second}},
		}},
	} {
		got, err := storageurl.Parse(test.url)
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %+v, %v\nwant %+v", test.url, got, err, test.want)
			continue
		}
		again, err := storageurl.Parse(got.String())
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%s prints as %s, which reads as %+v, %v", test.url, got, again, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for url, wants := range map[string][]string{
		"":                                    {"no scheme", "file:///"},
		"/var/lib/x":                          {"no scheme", "file:///"},
		"gs://bucket":                         {`unknown scheme "gs"`},
		"file:///":                            {"absolute path other than /"},
		"file://data/x":                       {"three slashes"},
		"file:data":                           {"absolute path"},
		"file:///x?sync=false&region=x":       {`"sync"`, `"region"`},
		"file:///x#y":                         {"%23"},
		"memory://host":                       {"takes no path"},
		"memory:?faulty_put_latency=100":      {"faulty_put_latency", "100ms"},
		"memory:?faulty_put_latency=2h":       {"at most 1m"},
		"memory:?faulty_put_latency=5ms..1ms": {"spread"},
		"memory:?faulty_error_rate=2":         {"from 0 to 1"},
		"memory:?faulty_error_rate=NaN":       {"from 0 to 1"},
		"memory:?faulty_latency=1s&faulty_latency=2s":                      {"given twice"},
		"memory:?faulty_putt_latency=1s":                                   {`unknown key "faulty_putt_latency"`},
		"s3://":                                                            {"bucket"},
		"s3://UPPER_case!?region=x":                                        {"bucket"},
		"s3://my-bucket/a/../b?region=x":                                   {"prefix", `".."`},
		"s3://my-bucket?region=":                                           {"region"},
		"s3://my-bucket?regoin=x&pathstyle=1":                              {`"regoin"`, `"pathstyle"`, "path_style"},
		"s3://my-bucket?path_style=maybe":                                  {"path_style", "true or false"},
		"s3://my-bucket?endpoint=ftp://x":                                  {"http or https"},
		"s3://my-bucket?endpoint=http://x/path":                            {"endpoint"},
		"s3://my-bucket?insecure=true":                                     {"needs an endpoint"},
		"s3://my-bucket?endpoint=https://x&insecure=true":                  {"contradicts"},
		"s3://AKIAEXAMPLE:SECRETVALUE@my-bucket?region=x":                  {"AWS_ACCESS_KEY_ID", "AWS_PROFILE"},
		"s3://my-bucket?secret_access_key=SECRETVALUE&region=x":            {"secret_access_key", "AWS_ACCESS_KEY_ID"},
		"s3://my-bucket?endpoint=http://AKIAEXAMPLE:SECRETVALUE@host:9000": {"AWS_ACCESS_KEY_ID"},
		"s3://my-bucket?X-Amz-Signature=SECRETVALUE":                       {"X-Amz-Signature", "AWS_ACCESS_KEY_ID"},
		"s3://AKIAEXAMPLE:SECRETVALUE@my bucket/%zz":                       {"not a URL"},
	} {
		_, err := storageurl.Parse(url)
		if err == nil {
			t.Errorf("%s: accepted", url)
			continue
		}
		for _, want := range wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v\ndoes not say %q", url, err, want)
			}
		}
		if strings.Contains(err.Error(), "SECRETVALUE") {
			t.Errorf("%s: the message repeats the secret: %v", url, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, url := range []string{"memory:", "file:///a/b", "s3://bucket/prefix?region=r&endpoint=http://h:1&path_style=false&insecure=true",
		"file:///x?faulty_put_latency=80ms..120ms&faulty_error_rate=0.5", "s3://a:b@c", "file://%00"} {
		f.Add(url)
	}
	f.Fuzz(func(t *testing.T, url string) {
		loc, err := storageurl.Parse(url)
		if err != nil {
			return
		}
		again, err := storageurl.Parse(loc.String())
		if err != nil || !reflect.DeepEqual(loc, again) {
			t.Fatalf("%q is %+v, prints as %q, which reads as %+v, %v", url, loc, loc, again, err)
		}
		if loc.Path != "" && (!filepath.IsAbs(loc.Path) || loc.Path == "/") {
			t.Fatalf("%q has the path %q", url, loc.Path)
		}
	})
}

func TestOpenFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "store")
	b, err := storageurl.Open(t.Context(), "file://"+dir, storageurl.Options{ProbeName: "p1"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if b.String() != "file://"+dir {
		t.Errorf("prints as %s", b)
	}
	if infos, err := b.List(t.Context(), "", "", 10); err != nil || len(infos) != 0 {
		t.Errorf("the probe left %v, %v", infos, err)
	}
}

func TestOpenAddsLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := storageurl.Open(t.Context(), "memory:?faulty_put_latency=100ms", storageurl.Options{})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := b.PutIfAbsent(t.Context(), "k", nil); err != nil || time.Since(start) != 100*time.Millisecond {
			t.Errorf("put: %v, took %v", err, time.Since(start))
		}
		if _, err := b.Head(t.Context(), "k"); err != nil || time.Since(start) != 100*time.Millisecond {
			t.Errorf("head: %v, at %v", err, time.Since(start))
		}
	})
}

func TestOpenS3WithProbe(t *testing.T) {
	server := objectstoragetest.StartVersityGW(t)
	server.Setenv(t)
	b, err := storageurl.Open(t.Context(), server.URL, storageurl.Options{ProbeName: "p1"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
}

// What a user gets wrong most often: the message says what, where and what to check.
func TestOpenExplainsFailure(t *testing.T) {
	server := objectstoragetest.StartVersityGW(t)
	server.Setenv(t)
	fails := func(t *testing.T, url string, wants ...string) {
		t.Helper()
		b, err := storageurl.Open(t.Context(), url, storageurl.Options{ProbeName: "p1", Retry: objectstorage.RetryConfig{MaxBackoff: time.Millisecond, BaseBackoff: time.Millisecond}})
		if err == nil {
			b.Close()
			t.Fatalf("%s: opened", url)
		}
		for _, want := range append(wants, "--store") {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v\ndoes not say %q", url, err, want)
			}
		}
		if strings.Contains(err.Error(), server.SecretKey) {
			t.Errorf("%v\nhas the secret", err)
		}
	}
	t.Run("wrong secret", func(t *testing.T) {
		t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
		fails(t, server.URL, "access denied", "writing an object", "AWS_ACCESS_KEY_ID", "SignatureDoesNotMatch")
	})
	t.Run("no credentials", func(t *testing.T) {
		t.Setenv("AWS_ACCESS_KEY_ID", "")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "")
		t.Setenv("HOME", t.TempDir())
		t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "")
		fails(t, server.URL, "no credentials found", "AWS_ACCESS_KEY_ID", "AWS_PROFILE")
	})
	t.Run("no such bucket", func(t *testing.T) {
		fails(t, strings.Replace(server.URL, "inkwell-test", "other-bucket", 1), "no such bucket", "does the bucket exist")
	})
	t.Run("nobody listens", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		fails(t, strings.Replace(server.URL, server.Endpoint, l.Addr().String(), 1), "connection refused", "endpoint", "reachable")
	})
	t.Run("a folder that is a file", func(t *testing.T) {
		fails(t, "file:///dev/null/x", "/dev/null/x")
	})
	t.Run("no region", func(t *testing.T) {
		t.Setenv("AWS_REGION", "")
		t.Setenv("AWS_DEFAULT_REGION", "")
		fails(t, "s3://my-bucket", "region", "AWS_REGION")
	})
}

func TestOpenGivesUpOnSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := storageurl.Open(t.Context(), "memory:", storageurl.Options{ProbeName: "p1", Wrap: func(b objectstorage.Bucket) objectstorage.Bucket {
			f := faulty.New(b, faulty.Config{})
			f.Inject(faulty.Rule{Times: -1, Fault: faulty.Fault{Hang: true}})
			return f
		}})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > objectstorage.ProbeTimeout {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}
