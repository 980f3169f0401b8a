package s3

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/inkwell-project/inkwell/objectstorage"
)

// Location is what a URL says.
type Location struct {
	Bucket string
	// Prefix is put before every key, with a slash; "" for none.
	Prefix string
	// Region is taken from AWS_REGION or AWS_DEFAULT_REGION when it is empty.
	Region string
	// Endpoint is host or host:port; "" is Amazon's of the region.
	Endpoint string
	// Insecure is HTTP without TLS.
	Insecure bool
	// PathStyle puts the bucket into the path instead of the host name. Default with an endpoint.
	PathStyle bool
}

const credentialsHint = "credentials do not belong into a URL, which ends up in logs and process lists: " +
	"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, use a profile (AWS_PROFILE), or give this machine a role"

// ParseURL reads s3://bucket/prefix?region=…&endpoint=…&path_style=true|false&insecure=true|false. No value of the URL
// is repeated in an error if it could be a secret.
func ParseURL(u *url.URL) (Location, error) {
	if u.User != nil {
		return Location{}, errors.New("s3: " + credentialsHint)
	}
	loc := Location{Bucket: u.Host, Prefix: strings.Trim(u.Path, "/")}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Location{}, errors.New("s3: the part after ? is not key=value&key=value")
	}
	var errs []error
	if u.Scheme != "s3" || u.Opaque != "" || u.Fragment != "" {
		errs = append(errs, errors.New("s3: want s3://bucket/prefix?region=…"))
	}
	if err := s3utils.CheckValidBucketName(loc.Bucket); err != nil {
		errs = append(errs, fmt.Errorf("s3: bucket %q: %w", loc.Bucket, err))
	}
	if loc.Prefix != "" {
		if err := objectstorage.CheckKey(loc.Prefix); err != nil {
			errs = append(errs, fmt.Errorf("s3: prefix: %w", err))
		}
	}
	var pathStyle *bool
	for _, key := range slices.Sorted(mapsKeys(query)) {
		value := query.Get(key)
		if len(query[key]) > 1 {
			errs = append(errs, fmt.Errorf("s3: %s is given twice", key))
			continue
		}
		switch key {
		case "region":
			loc.Region = value
			if value == "" || strings.ContainsFunc(value, notInRegion) {
				errs = append(errs, fmt.Errorf("s3: region %q: want a name such as eu-central-1", value))
			}
		case "endpoint":
			errs = append(errs, loc.setEndpoint(value))
		case "path_style":
			pathStyle = new(bool)
			errs = append(errs, setBool(key, value, pathStyle))
		case "insecure":
			// after the loop: it needs the endpoint
		default:
			errs = append(errs, unknownKey(key))
		}
	}
	if query.Has("insecure") {
		errs = append(errs, loc.setInsecure(query))
	}
	loc.PathStyle = loc.Endpoint != ""
	if pathStyle != nil {
		loc.PathStyle = *pathStyle
	}
	return loc, errors.Join(errs...)
}

func mapsKeys(v url.Values) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range v {
			if !yield(k) {
				return
			}
		}
	}
}

func notInRegion(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

func unknownKey(key string) error {
	lower := strings.ToLower(key)
	for _, word := range []string{"key", "secret", "token", "password", "passwd", "credential", "signature", "auth"} {
		if strings.Contains(lower, word) {
			return fmt.Errorf("s3: unknown key %q; %s", key, credentialsHint)
		}
	}
	return fmt.Errorf("s3: unknown key %q; known are region, endpoint, path_style, insecure", key)
}

func setBool(key, value string, to *bool) error {
	b, err := strconv.ParseBool(value)
	if err != nil {
		return fmt.Errorf("s3: %s is %q, want true or false", key, value)
	}
	*to = b
	return nil
}

// setEndpoint takes host, host:port, or either behind http:// or https://.
func (l *Location) setEndpoint(value string) error {
	host := value
	if scheme, rest, found := strings.Cut(value, "://"); found {
		if scheme != "http" && scheme != "https" {
			return fmt.Errorf("s3: endpoint scheme %q: want http or https", scheme)
		}
		l.Insecure = scheme == "http"
		host = strings.TrimSuffix(rest, "/")
	}
	if strings.Contains(host, "@") {
		return errors.New("s3: endpoint: " + credentialsHint)
	}
	u, err := url.Parse("//" + host)
	if err != nil || u.Host != host || u.Hostname() == "" || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("s3: endpoint %q: want host, host:port or http(s)://host:port", value)
	}
	l.Endpoint = host
	return nil
}

func (l *Location) setInsecure(query url.Values) error {
	if len(query["insecure"]) > 1 {
		return nil // reported already
	}
	insecure := false
	if err := setBool("insecure", query.Get("insecure"), &insecure); err != nil {
		return err
	}
	endpoint := query.Get("endpoint")
	if strings.Contains(endpoint, "://") && insecure != l.Insecure {
		return fmt.Errorf("s3: insecure=%v contradicts endpoint=%s", insecure, endpoint)
	}
	if insecure && endpoint == "" {
		return errors.New("s3: insecure=true needs an endpoint; Amazon's is always reached by HTTPS")
	}
	l.Insecure = insecure
	return nil
}

// String is a URL that ParseURL reads as the same Location.
func (l Location) String() string {
	u := url.URL{Scheme: "s3", Host: l.Bucket}
	if l.Prefix != "" {
		u.Path = "/" + l.Prefix
	}
	query := url.Values{}
	if l.Region != "" {
		query.Set("region", l.Region)
	}
	if l.Endpoint != "" {
		scheme := "https://"
		if l.Insecure {
			scheme = "http://"
		}
		query.Set("endpoint", scheme+l.Endpoint)
	}
	if l.PathStyle != (l.Endpoint != "") {
		query.Set("path_style", strconv.FormatBool(l.PathStyle))
	}
	// Slashes and colons are fine in a query and easier to read.
	u.RawQuery = strings.NewReplacer("%3A", ":", "%2F", "/").Replace(query.Encode())
	return u.String()
}
