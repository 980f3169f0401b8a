// Package status is the HTTP listener of a role: /metrics for Prometheus, /healthz (the process lives), /readyz (it serves) and, where asked for, /debug/pprof.
package status

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Config of a Server.
type Config struct {
	Listener net.Listener
	Gatherer prometheus.Gatherer
	Ready    func() error // nil when the role serves; the error says what it waits for
	Pprof    bool
	Logger   *slog.Logger
}

// Server answers until Close.
type Server struct {
	http *http.Server
	done chan error
}

// Start serves in the background.
func Start(cfg Config) *Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(cfg.Gatherer, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := cfg.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	if cfg.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	s := &Server{http: &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}, done: make(chan error, 1)}
	go func() {
		err := s.http.Serve(cfg.Listener)
		if !errors.Is(err, http.ErrServerClosed) {
			cfg.Logger.Error("the status listener ended", "address", cfg.Listener.Addr().String(), "error", err)
		}
		s.done <- err
	}()
	return s
}

// Close stops listening and ends what is in flight.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = s.http.Close()
	}
	<-s.done
	s.done <- http.ErrServerClosed
	return err
}
