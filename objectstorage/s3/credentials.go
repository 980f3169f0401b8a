package s3

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/inkwell-project/inkwell/objectstorage"
)

// metadataTimeout bounds a question to the machine's metadata service, which just does not answer where there is none.
const metadataTimeout = 3 * time.Second

// newCredentials is the usual chain: environment, shared file and profile, then the role of the pod, task or machine.
func newCredentials(region string) *credentials.Credentials {
	c := &chain{sources: []source{
		{"the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)", &credentials.EnvAWS{}},
		{"the shared file (~/.aws/credentials, AWS_PROFILE)", &credentials.FileAWSCredentials{}},
	}}
	if disabled, _ := strconv.ParseBool(os.Getenv("AWS_EC2_METADATA_DISABLED")); !disabled {
		client := &http.Client{Timeout: metadataTimeout, Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, // one question an hour
		}}
		c.sources = append(c.sources, source{"the role of this machine", &credentials.IAM{Client: client, Region: region}})
	}
	return credentials.New(c)
}

type source struct {
	name string
	credentials.Provider
}

// chain asks its sources in turn. Unlike the client library's own it never falls back to anonymous requests, whose
// refusal would hide that credentials are missing, and it keeps using what it has while a renewal fails. The client
// library calls it from one goroutine at a time.
type chain struct {
	sources []source
	current credentials.Provider
	last    credentials.Value
}

// Retrieve implements credentials.Provider.
func (c *chain) Retrieve() (credentials.Value, error) { return c.RetrieveWithCredContext(nil) }

// RetrieveWithCredContext implements credentials.Provider.
func (c *chain) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	var errs []error
	for _, s := range c.sources {
		value, err := s.RetrieveWithCredContext(cc)
		if err == nil && value.AccessKeyID != "" && value.SecretAccessKey != "" {
			c.current, c.last = s.Provider, value
			return value, nil
		}
		if err == nil {
			err = errors.New("none there")
		}
		errs = append(errs, fmt.Errorf("%s: %w", s.name, capped{err}))
	}
	err := errors.Join(errs...)
	if c.last.AccessKeyID == "" {
		return credentials.Value{}, fmt.Errorf("%w: no credentials found\n%w", objectstorage.ErrDenied, err)
	}
	if c.last.Expiration.IsZero() || time.Now().Before(c.last.Expiration) {
		return c.last, nil // renewal begins long before the end; the next request tries again
	}
	return credentials.Value{}, fmt.Errorf("renewing the credentials: %w", err) // they were there: this may pass
}

// IsExpired implements credentials.Provider.
func (c *chain) IsExpired() bool {
	return c.current == nil || c.current.IsExpired()
}
