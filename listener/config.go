package listener

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/internal/slab"
)

// Config is everything a Server needs. Fields without a word on defaults are required.
type Config struct {
	Name     string // the listener's name, "PLAINTEXT": label of its metrics and logs
	Listener net.Listener
	APIs     []API

	// TLS, when set, is spoken on every connection. A client's verified certificate becomes its principal.
	TLS *tls.Config
	// Certificate says who the client with a verified certificate is, and so authenticates it; an error refuses the connection. ctx ends with the connection. Nil: the
	// certificate's subject is the principal, and where RequireAuth is set SASL is asked for all the same.
	Certificate func(ctx context.Context, conn *Conn, certificate *x509.Certificate) (principal string, err error)
	// Authenticator answers SASL; without one SaslHandshake gets ILLEGAL_SASL_STATE, as in Kafka.
	Authenticator Authenticator
	// RequireAuth closes a connection whose first request, after ApiVersions, is not SASL.
	RequireAuth bool
	// Features for ApiVersions; nil tells none.
	Features func() Features

	// MaxRequestBytes is Kafka's socket.request.max.bytes: default 104857600.
	MaxRequestBytes int
	// SendBufferBytes is Kafka's socket.send.buffer.bytes, of which the system may grant less (net.core.wmem_max): default 256 KiB; below 0 leaves it to the system. A buffer
	// that the system lets grow to megabytes costs more CPU for each byte, because its memory is no longer in the CPU's cache when it is used again.
	SendBufferBytes int
	// ByteCredits bounds the bytes of all frames that are read or held: default 64 MiB. A larger frame passes when no other is held. An eighth, 8 MiB at most, is kept for
	// small requests other than Produce.
	ByteCredits int64
	// MaxConnections: further clients wait in the system's queue. Default 10000.
	MaxConnections int
	// MaxPipelined bounds the requests of a connection that are read and whose answers are not yet written: default 128.
	MaxPipelined int
	// MaxQueuedAnswerBytes: while more answer bytes of a connection wait to be written, its next request is not read. Default 16 MiB.
	MaxQueuedAnswerBytes int64
	// IdleTimeout is Kafka's connections.max.idle.ms: default 10 minutes. It also bounds a frame that does not come to its end, together with
	// MinBytesPerSecond and FrameTimeout.
	IdleTimeout time.Duration
	// FrameTimeout is how long the API key of a frame may take, and then its body, besides its size at MinBytesPerSecond: default 30 s. A frame whose body has begun
	// holds credits.
	FrameTimeout      time.Duration
	MinBytesPerSecond int64 // default 64 KiB
	// WriteTimeout closes a connection whose peer took no byte of an answer for so long: default 1 minute.
	WriteTimeout time.Duration
	// OutOfOrder: requests run in goroutines of their own, at most MaxPipelined, and are answered as they finish, unless their API is InOrder. For the calls of
	// brokers, whose client matches answers by correlation id.
	OutOfOrder bool

	Pool       *slab.Pool            // frames; nil means one of its own
	Logger     *slog.Logger          // nil means slog.Default()
	Registerer prometheus.Registerer // nil registers no metrics
	Clock      clock.Clock           // nil means the machine's
}

// Features is what ApiVersions v3+ tells of features.
type Features struct {
	Supported      []kmsg.ApiVersionsResponseSupportedFeature
	Finalized      []kmsg.ApiVersionsResponseFinalizedFeature
	FinalizedEpoch int64 // -1 when unknown
}

// Defaults.
const (
	DefaultMaxRequestBytes      = 104857600
	DefaultSendBufferBytes      = 256 << 10
	DefaultByteCredits          = 64 << 20
	DefaultMaxConnections       = 10000
	DefaultMaxPipelined         = 128
	DefaultMaxQueuedAnswerBytes = 16 << 20
	DefaultIdleTimeout          = 10 * time.Minute
	DefaultFrameTimeout         = 30 * time.Second
	DefaultMinBytesPerSecond    = 64 << 10
	DefaultWriteTimeout         = time.Minute
)

// SetDefaults fills what was left zero.
func (c *Config) SetDefaults() {
	setDefault(&c.MaxRequestBytes, DefaultMaxRequestBytes)
	setDefault(&c.SendBufferBytes, DefaultSendBufferBytes)
	setDefault(&c.ByteCredits, DefaultByteCredits)
	setDefault(&c.MaxConnections, DefaultMaxConnections)
	setDefault(&c.MaxPipelined, DefaultMaxPipelined)
	setDefault(&c.MaxQueuedAnswerBytes, DefaultMaxQueuedAnswerBytes)
	setDefault(&c.IdleTimeout, DefaultIdleTimeout)
	setDefault(&c.FrameTimeout, DefaultFrameTimeout)
	setDefault(&c.MinBytesPerSecond, DefaultMinBytesPerSecond)
	setDefault(&c.WriteTimeout, DefaultWriteTimeout)
	if c.Pool == nil {
		c.Pool = new(slab.Pool)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Clock == nil {
		c.Clock = clock.System
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate names every mistake at once.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("listener %q: "+format, append([]any{c.Name}, args...)...))
	}
	if c.Name == "" {
		bad("a listener needs a name")
	}
	if c.Listener == nil {
		bad("Listener is not set")
	}
	for _, s := range []struct {
		name     string
		value    int64
		min, max int64
	}{
		{"socket.request.max.bytes", int64(c.MaxRequestBytes), 1, 1<<31 - 1},
		{"socket.send.buffer.bytes", int64(c.SendBufferBytes), -1, 1<<31 - 1},
		{"ByteCredits", c.ByteCredits, 1, 1 << 50},
		{"max.connections", int64(c.MaxConnections), 1, 1<<31 - 1},
		{"MaxPipelined", int64(c.MaxPipelined), 1, 1 << 16},
		{"MaxQueuedAnswerBytes", c.MaxQueuedAnswerBytes, 1, 1 << 50},
		{"connections.max.idle.ms", c.IdleTimeout.Milliseconds(), 1, 1 << 50},
		{"FrameTimeout in ms", c.FrameTimeout.Milliseconds(), 1, 1 << 50},
		{"MinBytesPerSecond", c.MinBytesPerSecond, 1, 1 << 50},
		{"WriteTimeout in ms", c.WriteTimeout.Milliseconds(), 1, 1 << 50},
	} {
		if s.value < s.min || s.value > s.max {
			bad("%s is %d, it must be %d to %d", s.name, s.value, s.min, s.max)
		}
	}
	if c.RequireAuth && c.Authenticator == nil {
		bad("RequireAuth is set without an Authenticator: nobody could connect")
	}
	errs = append(errs, c.validateAPIs()...)
	return errors.Join(errs...)
}

func (c *Config) validateAPIs() (errs []error) {
	seen := map[int16]bool{apiVersionsKey: true, saslHandshakeKey: true, saslAuthenticateKey: true}
	for _, a := range c.APIs {
		m := kmsg.RequestForKey(a.Key)
		switch {
		case seen[a.Key]:
			errs = append(errs, fmt.Errorf("listener %q: API key %d is there twice, or is one that the listener answers itself", c.Name, a.Key))
		case a.Serve == nil:
			errs = append(errs, fmt.Errorf("listener %q: API key %d has no Serve", c.Name, a.Key))
		case a.MinVersion < 0 || a.MaxVersion < a.MinVersion:
			errs = append(errs, fmt.Errorf("listener %q: API key %d has versions %d to %d", c.Name, a.Key, a.MinVersion, a.MaxVersion))
		case !a.Private && m == nil:
			errs = append(errs, fmt.Errorf("listener %q: API key %d is not one of Kafka's; set Private", c.Name, a.Key))
		case !a.Private && a.MaxVersion > m.MaxVersion():
			errs = append(errs, fmt.Errorf("listener %q: API key %d goes up to version %d, the codec to %d", c.Name, a.Key, a.MaxVersion, m.MaxVersion()))
		}
		seen[a.Key] = true
	}
	return errs
}
