package soak

import (
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Faults of the store, of a thousand requests; what is left is passed on.
const (
	refusedOf1000   = 15 // a 500 or 503, nothing was done
	resetOf1000     = 5  // the connection breaks, nothing was done
	lostOf1000      = 15 // done, and the answer is lost
	lateOf1000      = 5  // done, and answered with a 500
	truncatedOf1000 = 5  // half of the answer's body
	slowOf1000      = 20 // done after a while
	hangingOf1000   = 1  // done, and answered after the client gave up

	longestSlow = 4 * time.Second
	hangs       = 20 * time.Second // a request is given up after 15 s
	// Now and then the store throttles most requests for a while.
	throttledOf1000 = 700
	throttleEvery   = 90 * time.Second
	throttleFor     = 3 * time.Second
)

// faultyStore is a proxy on loopback before an S3 server. Signatures cover the Host header, so that it is passed on as it came.
type faultyStore struct {
	Address string
	server  *http.Server
	proxy   *httputil.ReverseProxy
	began   time.Time

	mu     sync.Mutex // guards what follows
	random *rand.Rand
	healed bool
	counts map[string]int
}

func startFaultyStore(t *testing.T, endpoint string, seed uint64) *faultyStore {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &faultyStore{Address: l.Addr().String(), began: time.Now(), random: rand.New(rand.NewPCG(seed, 1)), counts: map[string]int{}}
	quiet := log.New(io.Discard, "", 0) // clients that are killed break connections
	f.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: endpoint})
			r.Out.Host = r.In.Host
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}, ErrorLog: quiet,
	}
	f.server = &http.Server{Handler: f, ErrorLog: quiet, ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- f.server.Serve(l) }()
	t.Cleanup(func() {
		_ = f.server.Close()
		<-served
	})
	return f
}

// heal ends all faults; what is under way stays slow.
func (f *faultyStore) heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.healed = true
}

// told is how often what happened.
func (f *faultyStore) told() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	counts := make(map[string]int, len(f.counts))
	for k, n := range f.counts {
		counts[k] = n
	}
	return counts
}

// draw chooses what becomes of a request.
func (f *faultyStore) draw() (fault string, wait time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fault = "passed"
	if !f.healed {
		fault, wait = f.choose()
	}
	f.counts[fault]++
	return fault, wait
}

func (f *faultyStore) choose() (string, time.Duration) {
	n := f.random.IntN(1000)
	if time.Since(f.began)%throttleEvery > throttleEvery-throttleFor && n < throttledOf1000 {
		return "throttled", 0
	}
	for _, c := range []struct {
		name   string
		of1000 int
		most   time.Duration
	}{
		{"refused", refusedOf1000, 0}, {"reset", resetOf1000, 0}, {"lost", lostOf1000, 0}, {"late error", lateOf1000, 0}, {"truncated", truncatedOf1000, 0},
		{"slow", slowOf1000, longestSlow}, {"hanging", hangingOf1000, hangs},
	} {
		if n -= c.of1000; n >= 0 {
			continue
		}
		switch {
		case c.most == 0:
			return c.name, 0
		case c.name == "hanging":
			return c.name, c.most
		}
		return c.name, time.Duration(f.random.Int64N(int64(c.most)))
	}
	return "passed", 0
}

// ServeHTTP implements http.Handler.
func (f *faultyStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fault, wait := f.draw()
	f.serve(w, r, fault, wait)
}

func (f *faultyStore) serve(w http.ResponseWriter, r *http.Request, fault string, wait time.Duration) {
	switch fault {
	case "throttled":
		refuse(w, r, http.StatusServiceUnavailable, "SlowDown")
	case "refused":
		refuse(w, r, http.StatusInternalServerError, "InternalError")
	case "reset":
		panic(http.ErrAbortHandler)
	case "lost":
		f.proxy.ServeHTTP(&discarded{header: http.Header{}}, r)
		panic(http.ErrAbortHandler)
	case "late error":
		f.proxy.ServeHTTP(&discarded{header: http.Header{}}, r)
		refuse(w, r, http.StatusInternalServerError, "InternalError")
	case "truncated":
		f.proxy.ServeHTTP(&truncated{ResponseWriter: w}, r)
	case "slow":
		time.Sleep(wait)
		f.proxy.ServeHTTP(w, r)
	case "hanging":
		f.proxy.ServeHTTP(&discarded{header: http.Header{}}, r)
		time.Sleep(wait)
		panic(http.ErrAbortHandler)
	default:
		f.proxy.ServeHTTP(w, r)
	}
}

func refuse(w http.ResponseWriter, r *http.Request, status int, code string) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>injected</Message><Resource>%s</Resource></Error>", code, r.URL.Path)
	}
}

// discarded takes an answer that nobody gets.
type discarded struct{ header http.Header }

func (d *discarded) Header() http.Header         { return d.header }
func (d *discarded) Write(b []byte) (int, error) { return len(b), nil }
func (d *discarded) WriteHeader(int)             {}

// truncated breaks the connection in the middle of the body.
type truncated struct {
	http.ResponseWriter
	left int
}

func (t *truncated) WriteHeader(status int) {
	n, _ := strconv.Atoi(t.Header().Get("Content-Length"))
	t.left = n / 2
	t.ResponseWriter.WriteHeader(status)
}

func (t *truncated) Write(b []byte) (int, error) {
	if len(b) > t.left {
		_, _ = t.ResponseWriter.Write(b[:t.left])
		_ = http.NewResponseController(t.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	t.left -= len(b)
	return t.ResponseWriter.Write(b)
}

// TestFaultyStore: what the soak rests on does what it says.
func TestFaultyStore(t *testing.T) {
	var hosts []string
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hosts = append(hosts, r.Host)
		_, _ = io.WriteString(w, strings.Repeat("x", 100))
	}))
	defer backend.Close()
	f := startFaultyStore(t, strings.TrimPrefix(backend.URL, "http://"), 7)
	for _, want := range []struct {
		fault        string
		status, done int
		broken       bool
	}{
		{"throttled", 503, 0, false}, {"refused", 500, 0, false}, {"reset", 0, 0, true}, {"lost", 0, 1, true}, {"late error", 500, 1, false},
		{"truncated", 200, 1, true}, {"slow", 200, 1, false}, {"hanging", 0, 1, true}, {"passed", 200, 1, false},
	} {
		hosts = nil
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.serve(w, r, want.fault, 0) }))
		status, body := 0, []byte(nil)
		// A PUT is not repeated by the client's transport.
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, front.URL+"/b/k", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := front.Client().Do(req)
		if err == nil {
			status = resp.StatusCode
			body, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		front.Close()
		if status != want.status || len(hosts) != want.done || (err != nil) != want.broken {
			t.Errorf("%s: status %d, done %d times, error %v; want %+v", want.fault, status, len(hosts), err, want)
		}
		if len(hosts) > 0 && "http://"+hosts[0] != front.URL {
			t.Errorf("%s: Host is %s, want the client's own", want.fault, hosts[0])
		}
		if want.status == 200 && !want.broken && len(body) != 100 {
			t.Errorf("%s: %d bytes of 100", want.fault, len(body))
		}
	}
	for range 20_000 {
		f.draw()
	}
	for _, name := range []string{"refused", "reset", "lost", "late error", "truncated", "slow", "hanging", "passed"} {
		if f.told()[name] == 0 {
			t.Errorf("%s was never drawn", name)
		}
	}
	f.heal()
	passed := f.told()["passed"]
	for range 1000 {
		f.draw()
	}
	if n := f.told()["passed"] - passed; n != 1000 {
		t.Errorf("healed, it passed on %d of 1000", n)
	}
}
