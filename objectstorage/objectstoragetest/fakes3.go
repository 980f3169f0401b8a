package objectstoragetest

import (
	"net/http/httptest"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// StartFakeS3 is an S3 server in this process, in milliseconds. It does not look at credentials: what it accepts proves
// less than what StartVersityGW accepts.
func StartFakeS3(t testing.TB) S3Server {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket(s3Bucket); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	return s3Server(server.Listener.Addr().String())
}
