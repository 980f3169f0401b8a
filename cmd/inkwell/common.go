package main

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

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

// readiness is what /readyz says: it is served before the role is there, which may wait for others for long.
type readiness struct {
	role atomic.Pointer[func() error]
}

func (r *readiness) is(role func() error) { r.role.Store(&role) }

func (r *readiness) check() error {
	if role := r.role.Load(); role != nil {
		return (*role)()
	}
	return errors.New("starting")
}

// observe serves the status listener, before anything else is opened, so that an address in use is said before anything was done; the returned function ends it.
func (c *common) observe(registry *prometheus.Registry, ready *readiness, logger *slog.Logger) (func() error, error) {
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if c.http == "" {
		return func() error { return nil }, nil
	}
	l, err := net.Listen("tcp", c.http)
	if err != nil {
		return nil, fmt.Errorf("--http %s: %w; choose another address, or an empty one for none", c.http, err)
	}
	return status.Start(status.Config{Listener: l, Gatherer: registry, Ready: ready.check, Pprof: c.pprof, Logger: logger}).Close, nil
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

// reachableAddress is where others are told to connect.
func reachableAddress(v string) error {
	if v == "" {
		return nil
	}
	if host, port, err := net.SplitHostPort(v); err == nil && host != "" && port != "0" && address(v) == nil {
		return nil
	}
	return errors.New("want HOST:PORT such as broker-1.example:9092, a port from 1 to 65535")
}

func notEmpty(v string) error {
	if v == "" {
		return errors.New("it must not be empty")
	}
	return nil
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
		return nil, fmt.Errorf("%s %s: %w; choose another address", setting, addr, err)
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

// unlessEnded is err unless the process was told to end while it started, which is no failure.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Cause(ctx)) || errors.Is(err, context.Canceled)) {
		return nil
	}
	return err
}

// loadServer reads the settings of a server. One whose settings are refused, or that was asked for help, is not started again by relaxTimers.
func loadServer(s *settings.Set, args []string) error {
	err := errors.Join(s.Load(args, os.Environ(), os.Stdout), noArguments(s))
	if err == nil {
		relaxTimers()
	}
	return err
}

// noArguments refuses what is not a setting.
func noArguments(s *settings.Set) error {
	if rest := s.Args(); len(rest) > 0 {
		return fmt.Errorf("unexpected %q; settings start with --", strings.Join(rest, " "))
	}
	return nil
}
