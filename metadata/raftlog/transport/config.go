package transport

import (
	"context"
	cryptorand "crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
)

// Handler is the node behind the transport: *raftlog.Node.
type Handler interface {
	Step(m raftlog.Message)
	ReportUnreachable(group uint64, node int32)
	// ReceiveSnapshot reads a snapshot to its end. The sender is told what it returns.
	ReceiveSnapshot(ctx context.Context, from int32, r io.Reader) error
}

// Config of a Transport.
type Config struct {
	ClusterID string // of the Metadata cluster
	NodeID    int32
	// Secret is shared by all nodes; empty: whoever reaches the port is believed.
	Secret   []byte
	Listener net.Listener // closed by Close
	Dial     func(ctx context.Context, address string) (net.Conn, error)
	TLS      *tls.Config // nil: none. Used by both sides; ServerName is taken from the address where it is empty
	// DialTLS makes the configuration of one connection to a peer, where that changes; nil: TLS.
	DialTLS func() *tls.Config

	Clock clock.Clock
	Rand  *rand.Rand // jitter of the back-off
	// Nonces of the handshake; default crypto/rand.
	Nonces     io.Reader
	Logger     *slog.Logger
	Registerer prometheus.Registerer

	// QueueMessages and QueueBytes bound what waits for one peer, default 16,384 and 64 MiB.
	QueueMessages int
	QueueBytes    int
	// Timeout of a dial and of a handshake, and for how long a write may make no progress, default 5 s.
	Timeout time.Duration
	// MinBackoff and MaxBackoff between attempts to reach a peer, default 50 ms and 1 s.
	MinBackoff, MaxBackoff time.Duration
	// SnapshotBytesPerSecond to one peer, default 64 MiB, so that snapshots leave room for the log.
	SnapshotBytesPerSecond int
	// SnapshotTimeout is how long a snapshot may make no progress, default 30 s.
	SnapshotTimeout time.Duration
}

// SetDefaults fills what is zero.
func (c *Config) SetDefaults() {
	if c.Dial == nil {
		dialer := &net.Dialer{}
		c.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", address)
		}
	}
	if c.Clock == nil {
		c.Clock = clock.System
	}
	if c.Nonces == nil {
		c.Nonces = cryptorand.Reader
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&c.QueueMessages, 16_384)
	setDefault(&c.QueueBytes, 64<<20)
	setDefault(&c.Timeout, 5*time.Second)
	setDefault(&c.MinBackoff, 50*time.Millisecond)
	setDefault(&c.MaxBackoff, time.Second)
	setDefault(&c.SnapshotBytesPerSecond, 64<<20)
	setDefault(&c.SnapshotTimeout, 30*time.Second)
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Validate reports all mistakes at once.
func (c *Config) Validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("raft transport: "+format, args...)) }
	if c.ClusterID == "" || len(c.ClusterID) > maxClusterID {
		wrong("the Metadata cluster id has %d bytes: 1 to %d", len(c.ClusterID), maxClusterID)
	}
	if c.NodeID < 0 {
		wrong("node id %d is below 0", c.NodeID)
	}
	if c.Rand == nil {
		wrong("no source of randomness was handed in")
	}
	if c.MinBackoff > c.MaxBackoff {
		wrong("the least back-off (%v) is above the greatest (%v)", c.MinBackoff, c.MaxBackoff)
	}
	for name, v := range map[string]int64{"queue messages": int64(c.QueueMessages), "queue bytes": int64(c.QueueBytes), "timeout": int64(c.Timeout),
		"back-off": int64(c.MinBackoff), "snapshot bytes per second": int64(c.SnapshotBytesPerSecond), "snapshot timeout": int64(c.SnapshotTimeout)} {
		if v < 1 {
			wrong("%s is %d: at least 1", name, v)
		}
	}
	return errors.Join(errs...)
}
