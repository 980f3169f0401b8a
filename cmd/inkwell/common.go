package main

import (
	crand "crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/inkwell-project/inkwell/internal/settings"
	"github.com/inkwell-project/inkwell/internal/status"
)

// common are the settings that every server role has.
type common struct {
	http     string
	pprof    bool
	logLevel string
}

func (c *common) define(s *settings.Set) {
	s.String(&c.http, "http", "127.0.0.1:8080", "address of /metrics, /healthz and /readyz; empty for none", optionalAddress)
	s.Bool(&c.pprof, "pprof", false, "serve profiles at /debug/pprof of the --http address")
	s.String(&c.logLevel, "log.level", "info", "debug, info, warn or error", func(v string) error {
		var l slog.Level
		if l.UnmarshalText([]byte(v)) != nil {
			return fmt.Errorf("want debug, info, warn or error")
		}
		return nil
	})
}

func (c *common) logger() *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.logLevel)); err != nil {
		level = slog.LevelInfo // checked when it was read
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

// observe serves the status listener; the returned server is nil without one.
func (c *common) observe(registry *prometheus.Registry, ready func() error, logger *slog.Logger) (*status.Server, error) {
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if c.http == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", c.http)
	if err != nil {
		return nil, fmt.Errorf("--http %s: %w; choose another address, or an empty one for none", c.http, err)
	}
	return status.Start(status.Config{Listener: l, Gatherer: registry, Ready: ready, Pprof: c.pprof, Logger: logger}), nil
}

func address(v string) error {
	host, port, err := net.SplitHostPort(v)
	if err == nil {
		var n uint64
		if n, err = strconv.ParseUint(port, 10, 16); err == nil && (n > 0 || host != "") {
			return nil
		}
	}
	return fmt.Errorf("want HOST:PORT such as 127.0.0.1:9092")
}

func optionalAddress(v string) error {
	if v == "" {
		return nil
	}
	return address(v)
}

func listen(setting, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", setting, addr, err)
	}
	return l, nil
}

// newRand is a source of random numbers seeded by the system.
func newRand() *rand.Rand {
	var seed [32]byte
	mustRead(seed[:])
	return rand.New(rand.NewChaCha8(seed))
}

// newUUID is a random UUID (version 4).
func newUUID() (id [16]byte) {
	mustRead(id[:])
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}

func mustRead(b []byte) {
	if _, err := crand.Read(b); err != nil {
		panic(err) // the kernel's generator does not fail
	}
}

// incarnation names this start of the process in object storage.
func incarnation() string {
	id := newUUID()
	return strconv.FormatUint(binary.BigEndian.Uint64(id[:8]), 36)
}

// noArguments refuses what is not a setting.
func noArguments(s *settings.Set) error {
	if rest := s.Args(); len(rest) > 0 {
		return fmt.Errorf("unexpected %q; settings start with --", strings.Join(rest, " "))
	}
	return nil
}
