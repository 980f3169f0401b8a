package status

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestReadinessMetricsAndProfiles(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "inkwell_test_total", Help: "For this test."}))
	var ready atomic.Bool
	s := Start(Config{Listener: l, Gatherer: registry, Logger: slog.New(slog.DiscardHandler), Ready: func() error {
		if ready.Load() {
			return nil
		}
		return errors.New("waiting for the controller")
	}})
	defer s.Close()
	url := "http://" + l.Addr().String()
	if code, _ := get(t, url+"/healthz"); code != 200 {
		t.Errorf("/healthz: %d", code)
	}
	if code, body := get(t, url+"/readyz"); code != 503 || !strings.Contains(body, "controller") {
		t.Errorf("/readyz before: %d %q", code, body)
	}
	ready.Store(true)
	if code, _ := get(t, url+"/readyz"); code != 200 {
		t.Errorf("/readyz after: %d", code)
	}
	if _, body := get(t, url+"/metrics"); !strings.Contains(body, "inkwell_test_total 0") {
		t.Errorf("/metrics: %q", body)
	}
	if code, _ := get(t, url+"/debug/pprof/"); code != 404 {
		t.Errorf("profiles are served though nobody asked: %d", code)
	}
}
