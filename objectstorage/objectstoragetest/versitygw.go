package objectstoragetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/inkwell-project/inkwell/internal/repository"
)

// S3Server is a running S3 server with an empty bucket.
type S3Server struct {
	// URL is the bucket as --store takes it.
	URL string
	// Env are the variables, as NAME=value, that a process needs to use it.
	Env []string
	// AccessKey and SecretKey are the same for a test in this process.
	AccessKey, SecretKey string
	// Endpoint is host:port of it; plain HTTP.
	Endpoint string
	// Dir is the folder behind it, if there is one.
	Dir string
}

const (
	s3Region    = "us-east-1"
	s3Bucket    = "inkwell-test"
	s3AccessKey = "inkwell-access"
	s3SecretKey = "inkwell-secret-of-tests"
	// serverStart is how long a server may take to answer; it takes a tenth of a second.
	serverStart = 20 * time.Second
)

// StartVersityGW runs versitygw, an S3 server on a folder, as a process of its own until the test ends. Without the
// program the test fails and says how to get it; INKWELL_TEST_SHORT=1 skips instead.
func StartVersityGW(t testing.TB) S3Server {
	t.Helper()
	bin := versityGW(t)
	dir := t.TempDir()
	for try := 0; ; try++ {
		port := freePort(t)
		cmd := exec.Command(bin, "--port", port, "--access", s3AccessKey, "--secret", s3SecretKey, "--region", s3Region,
			"--quiet", "--keep-alive", "posix", "--concurrency", "200", dir)
		cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
		log, err := os.Create(filepath.Join(t.TempDir(), "versitygw.log"))
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stdout, cmd.Stderr = log, log
		dieWithParent(cmd)
		if err := cmd.Start(); err != nil {
			t.Fatalf("start %s: %v", bin, err)
		}
		exited := make(chan error, 1)
		go func() { exited <- cmd.Wait() }()
		stop := func() {
			_ = cmd.Process.Kill()
			<-exited
			log.Close()
		}
		server := s3Server(port)
		server.Dir = filepath.Join(dir, s3Bucket)
		err = server.makeBucket(t.Context(), exited)
		if err == nil {
			t.Cleanup(stop)
			return server
		}
		output, _ := os.ReadFile(log.Name())
		if errors.Is(err, errExited) {
			log.Close()
		} else {
			stop()
		}
		if !errors.Is(err, errExited) || try == 3 { // exited: most likely somebody else took the port in between
			t.Fatalf("versitygw does not answer at %s: %v\n%s", port, err, output)
		}
	}
}

func s3Server(endpoint string) S3Server {
	return S3Server{
		URL: fmt.Sprintf("s3://%s/test/prefix?region=%s&endpoint=http://%s&path_style=true", s3Bucket, s3Region, endpoint),
		Env: []string{
			"AWS_ACCESS_KEY_ID=" + s3AccessKey, "AWS_SECRET_ACCESS_KEY=" + s3SecretKey, "AWS_SESSION_TOKEN=",
			"AWS_EC2_METADATA_DISABLED=true",
		},
		AccessKey: s3AccessKey, SecretKey: s3SecretKey, Endpoint: endpoint,
	}
}

// Setenv gives this process the credentials, until the test ends.
func (s S3Server) Setenv(t testing.TB) {
	t.Setenv("AWS_ACCESS_KEY_ID", s.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s.SecretKey)
	t.Setenv("AWS_SESSION_TOKEN", "")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

var errExited = errors.New("the process ended")

// makeBucket waits until the server answers.
func (s S3Server) makeBucket(ctx context.Context, exited <-chan error) error {
	transport := &http.Transport{DisableKeepAlives: true}
	client, err := minio.New(s.Endpoint, &minio.Options{
		Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Region: s3Region, MaxRetries: 1, Transport: transport,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, serverStart)
	defer cancel()
	// A process of its own has no other sign that it is ready than its answer.
	ask := time.NewTicker(20 * time.Millisecond)
	defer ask.Stop()
	for {
		err := client.MakeBucket(ctx, s3Bucket, minio.MakeBucketOptions{Region: s3Region})
		if err == nil {
			return nil
		}
		select {
		case <-ask.C:
		case <-exited:
			return errExited
		case <-ctx.Done():
			return fmt.Errorf("after %v: %w", serverStart, err)
		}
	}
}

func freePort(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// versityGW finds the program.
func versityGW(t testing.TB) string {
	t.Helper()
	bin := os.Getenv("INKWELL_TEST_VERSITYGW")
	if bin == "" {
		bin = filepath.Join(repository.Root(), ".cache", "bin", "versitygw")
	}
	if _, err := exec.LookPath(bin); err != nil {
		if os.Getenv("INKWELL_TEST_SHORT") == "1" {
			t.Skipf("INKWELL_TEST_SHORT=1 and no S3 server: %v", err)
		}
		t.Fatalf("no S3 server to test against: %v\nrun test/tools/versitygw.sh, which installs one into .cache/bin,"+
			" or set INKWELL_TEST_VERSITYGW to a versitygw binary, or INKWELL_TEST_SHORT=1 to leave these tests out", err)
	}
	return bin
}
