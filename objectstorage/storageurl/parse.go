package storageurl

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/inkwell-project/inkwell/objectstorage/faulty"
	"github.com/inkwell-project/inkwell/objectstorage/s3"
)

// Location is a URL understood: one of the backends, and what makes it worse.
type Location struct {
	// Path is the folder of a file URL, else "".
	Path string
	// S3 is set for an s3 URL.
	S3 *s3.Location
	// Memory is true for memory:.
	Memory bool

	// Latency and ErrorRate come from the faulty_… keys.
	Latency   map[faulty.Op]faulty.Latency
	ErrorRate float64
}

// latencyKeys in the order of messages.
var latencyKeys = []struct {
	key string
	op  faulty.Op
}{
	{"faulty_latency", faulty.Any}, {"faulty_put_latency", faulty.Put}, {"faulty_get_latency", faulty.Get},
	{"faulty_head_latency", faulty.Head}, {"faulty_list_latency", faulty.List}, {"faulty_delete_latency", faulty.Delete},
}

const errorRateKey = "faulty_error_rate"

// maxLatency keeps a slip of the unit (100m for 100ms) from looking like a dead store.
const maxLatency = time.Minute

// Parse reads the value of --store.
func Parse(raw string) (Location, error) {
	if !strings.Contains(raw, ":") {
		return Location{}, fmt.Errorf("%q has no scheme: want memory:, file:///path or s3://bucket/prefix?region=…", cut(raw))
	}
	u, err := url.Parse(raw)
	if err != nil {
		// url.Error repeats the URL, which may hold a secret.
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err
		}
		return Location{}, fmt.Errorf("not a URL: %w", err)
	}
	loc := Location{}
	rest, errs := loc.takeFaults(u)
	switch u.Scheme {
	case "file":
		errs = append(errs, loc.file(u, rest))
	case "s3":
		u.RawQuery = rest.Encode()
		at, err := s3.ParseURL(u)
		loc.S3 = &at
		errs = append(errs, err)
	case "memory":
		loc.Memory = true
		if u.Host != "" || u.Path != "" || u.Opaque != "" || u.Fragment != "" {
			errs = append(errs, errors.New("memory: takes no path"))
		}
		errs = append(errs, noKeys("memory", rest))
	default:
		errs = append(errs, fmt.Errorf("unknown scheme %q: want memory:, file:///path or s3://bucket/prefix?region=…", u.Scheme))
	}
	if err := errors.Join(errs...); err != nil {
		return Location{}, err
	}
	return loc, nil
}

func (l *Location) file(u *url.URL, query url.Values) error {
	errs := []error{noKeys("file", query)}
	switch {
	case u.User != nil || u.Host != "" && u.Host != "localhost":
		errs = append(errs, errors.New("file: want three slashes and an absolute path, as in file:///var/lib/inkwell"))
	case u.Opaque != "" || !path.IsAbs(u.Path) || path.Clean(u.Path) == "/":
		errs = append(errs, fmt.Errorf("file: %q is not an absolute path other than /, as in file:///var/lib/inkwell", u.Opaque+u.Path))
	case strings.ContainsRune(u.Path, 0):
		errs = append(errs, errors.New("file: the path has a zero byte"))
	case u.Fragment != "":
		errs = append(errs, errors.New("file: write # in a path as %23"))
	}
	l.Path = path.Clean(u.Path)
	return errors.Join(errs...)
}

func noKeys(scheme string, query url.Values) error {
	var errs []error
	for key := range query {
		errs = append(errs, fmt.Errorf("%s: unknown key %q", scheme, key))
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// takeFaults reads the faulty_… keys and returns the others.
func (l *Location) takeFaults(u *url.URL) (url.Values, []error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, []error{errors.New("the part after ? is not key=value&key=value")}
	}
	var errs []error
	for _, k := range latencyKeys {
		for i, value := range query[k.key] {
			latency, err := parseLatency(value)
			switch {
			case i > 0:
				err = errors.New("given twice")
			case l.Latency == nil:
				l.Latency = map[faulty.Op]faulty.Latency{}
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", k.key, err))
				continue
			}
			l.Latency[k.op] = latency
		}
		query.Del(k.key)
	}
	for i, value := range query[errorRateKey] {
		rate, err := strconv.ParseFloat(value, 64)
		if err != nil || i > 0 || math.IsNaN(rate) || rate < 0 || rate > 1 {
			errs = append(errs, fmt.Errorf("%s: %q, want one number from 0 to 1", errorRateKey, cut(value)))
			continue
		}
		l.ErrorRate = rate
	}
	query.Del(errorRateKey)
	return query, errs
}

// parseLatency reads 100ms or 80ms..120ms.
func parseLatency(value string) (faulty.Latency, error) {
	low, high, spread := strings.Cut(value, "..")
	shortest, err := time.ParseDuration(low)
	longest := shortest
	if spread && err == nil {
		longest, err = time.ParseDuration(high)
	}
	if err != nil || shortest < 0 || longest < shortest || longest > maxLatency {
		return faulty.Latency{}, fmt.Errorf("%q, want a duration of at most %v such as 100ms, or a spread such as 80ms..120ms", cut(value), maxLatency)
	}
	return faulty.Latency{Min: shortest, Max: longest}, nil
}

// Faulty is true when the URL asks for faults.
func (l Location) Faulty() bool { return len(l.Latency) > 0 || l.ErrorRate > 0 }

// String is a URL that Parse reads as the same Location. It holds no secrets: Parse lets none in.
func (l Location) String() string {
	base := "memory:"
	switch {
	case l.S3 != nil:
		base = l.S3.String()
	case !l.Memory:
		base = (&url.URL{Scheme: "file", Path: l.Path}).String()
	}
	query := url.Values{}
	for _, k := range latencyKeys {
		if latency, ok := l.Latency[k.op]; ok {
			value := latency.Min.String()
			if latency.Max > latency.Min {
				value += ".." + latency.Max.String()
			}
			query.Set(k.key, value)
		}
	}
	if l.ErrorRate > 0 {
		query.Set(errorRateKey, strconv.FormatFloat(l.ErrorRate, 'g', -1, 64))
	}
	if len(query) == 0 {
		return base
	}
	separator := "?"
	if strings.Contains(base, "?") {
		separator = "&"
	}
	return base + separator + query.Encode()
}

// cut keeps messages short.
func cut(s string) string {
	const most = 100
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// CheckSetting is Parse for a Config's Validate.
func CheckSetting(setting, raw string) error {
	if _, err := Parse(raw); err != nil {
		return fmt.Errorf("%s: %w", setting, err)
	}
	return nil
}
