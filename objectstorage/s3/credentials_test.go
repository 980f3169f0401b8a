package s3

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/inkwell-project/inkwell/objectstorage"
)

func TestCredentialsChain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(file, []byte("[work]\naws_access_key_id = from-file\naws_secret_access_key = s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	t.Setenv("AWS_PROFILE", "work")
	t.Setenv("AWS_ACCESS_KEY_ID", "from-env")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	get := func() (string, error) {
		v, err := newCredentials("r").GetWithContext(nil)
		return v.AccessKeyID, err
	}
	if id, err := get(); id != "from-env" || err != nil {
		t.Errorf("environment: %q, %v", id, err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	if id, err := get(); id != "from-file" || err != nil {
		t.Errorf("profile: %q, %v", id, err)
	}
	t.Setenv("AWS_PROFILE", "other")
	if _, err := get(); !errors.Is(err, objectstorage.ErrDenied) || !strings.Contains(err.Error(), "AWS_PROFILE") {
		t.Errorf("none: %v", err)
	}
}

// A renewal that fails does not take away credentials that still hold.
func TestCredentialsOutliveAFailedRenewal(t *testing.T) {
	role := &fakeRole{value: credentials.Value{AccessKeyID: "id", SecretAccessKey: "s", Expiration: time.Now().Add(time.Hour)}}
	c := &chain{sources: []source{{"role", role}}}
	if !c.IsExpired() {
		t.Error("nothing was asked yet")
	}
	if v, err := c.Retrieve(); err != nil || v.AccessKeyID != "id" {
		t.Fatal(v, err)
	}
	role.err = errors.New("503")
	if v, err := c.Retrieve(); err != nil || v.AccessKeyID != "id" {
		t.Errorf("renewal failed within the lifetime: %v, %v", v, err)
	}
	c.last.Expiration = time.Now().Add(-time.Second)
	if _, err := c.Retrieve(); err == nil || errors.Is(err, objectstorage.ErrDenied) {
		t.Errorf("after the lifetime: %v; want an error that is worth repeating", err)
	}
}

type fakeRole struct {
	value credentials.Value
	err   error
}

func (f *fakeRole) Retrieve() (credentials.Value, error) { return f.value, f.err }
func (f *fakeRole) RetrieveWithCredContext(*credentials.CredContext) (credentials.Value, error) {
	return f.value, f.err
}
func (f *fakeRole) IsExpired() bool { return true }
