package s3_test

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/minio/minio-go/v7/pkg/credentials"
	"go.uber.org/goleak"

	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/objectstoragetest"
	"github.com/inkwell-project/inkwell/objectstorage/s3"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func config(t *testing.T, server objectstoragetest.S3Server) s3.Config {
	t.Helper()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	loc, err := s3.ParseURL(u)
	if err != nil {
		t.Fatal(err)
	}
	return s3.Config{Location: loc, Credentials: credentials.NewStaticV4(server.AccessKey, server.SecretKey, "")}
}

func open(t *testing.T, cfg s3.Config) *s3.Bucket {
	t.Helper()
	b, err := s3.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestConformanceFakeS3(t *testing.T) { conformance(t, objectstoragetest.StartFakeS3(t)) }

func TestConformanceVersityGW(t *testing.T) { conformance(t, objectstoragetest.StartVersityGW(t)) }

// conformance gives each subtest a prefix of its own.
func conformance(t *testing.T, server objectstoragetest.S3Server) {
	n := 0
	objectstoragetest.Run(t, func(t *testing.T) objectstorage.Bucket {
		cfg := config(t, server)
		n++
		cfg.Prefix = fmt.Sprintf("%s/%d", cfg.Prefix, n)
		return open(t, cfg)
	})
}
