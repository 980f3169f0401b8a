package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inkwell-project/inkwell/broker/api"
	"github.com/inkwell-project/inkwell/broker/batchprocessor"
	"github.com/inkwell-project/inkwell/broker/cachemanager"
	"github.com/inkwell-project/inkwell/broker/compaction"
	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka/configs"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// Config of a Broker. The outside world (time, randomness, network, object storage, the Metadata cluster) is handed in.
type Config struct {
	ID      int32
	Rack    string
	Version string

	Listener     net.Listener // for clients
	ListenerName string       // default PLAINTEXT, SSL with TLS
	Advertised   HostPort     // what clients are told; default the listener's address
	TLS          *tls.Config

	Metadata rpc.MetadataCluster
	Bucket   objectstorage.Bucket
	// Spent is the account of what is asked of Bucket; made if it is nil. Who opened Bucket may have begun it.
	Spent *objectstorage.Account
	// LocalStore says that a request costs an access to a disk, not a call to a cloud: objects leave as soon as there is a slot, and large ones are read in smaller pieces.
	LocalStore bool

	API api.Settings
	// PutsPerSecond is how many PUTs flush and jobs make together; 0: no bound.
	PutsPerSecond float64
	Batches       batchprocessor.Config // Cluster, Broker and BrokerEpoch are filled in
	Cache         cachemanager.Config   // Cluster, Clock, Logger and Registerer are filled in
	Jobs          compaction.Settings   // compaction.DefaultSettings if it is zero
	Listening     Listening

	// Static is what the operator configured, by Kafka's names, as DescribeConfigs shows it.
	Static configs.Lookup

	SessionTimeout time.Duration // of the membership group; default 10 s
	StartTimeout   time.Duration // until the Metadata cluster has answered; default 30 s
	DrainTimeout   time.Duration // for requests in flight at Close; default 15 s

	Clock      clock.Clock
	NewRand    func() *rand.Rand // each caller has a source of its own
	NewUUID    func() [16]byte
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Listening bounds what clients may take of a listener; see listener.Config.
type Listening struct {
	MaxRequestBytes int           // socket.request.max.bytes
	SendBufferBytes int           // socket.send.buffer.bytes
	ByteCredits     int64         // queued.max.request.bytes
	MaxConnections  int           // max.connections
	IdleTimeout     time.Duration // connections.max.idle.ms
}

// HostPort is an address.
type HostPort struct {
	Host string
	Port int32
}

// SetDefaults fills in what is zero.
func (c *Config) SetDefaults() {
	if c.ListenerName == "" {
		c.ListenerName = "PLAINTEXT"
		if c.TLS != nil {
			c.ListenerName = "SSL"
		}
	}
	if c.SessionTimeout == 0 {
		c.SessionTimeout = 10 * time.Second
	}
	if c.StartTimeout == 0 {
		c.StartTimeout = 30 * time.Second
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = 15 * time.Second
	}
	if c.Clock == nil {
		c.Clock = clock.System
	}
	if c.Advertised == (HostPort{}) && c.Listener != nil {
		if tcp, ok := c.Listener.Addr().(*net.TCPAddr); ok {
			c.Advertised = HostPort{tcp.IP.String(), int32(tcp.Port)}
		}
	}
	if c.Jobs == (compaction.Settings{}) {
		c.Jobs = compaction.DefaultSettings()
	}
	if c.Spent == nil {
		c.Spent = new(objectstorage.Account)
	}
	if c.LocalStore {
		c.Batches.SetLocalDefaults()
		c.Cache.SetLocalDefaults()
	} else {
		c.Batches.SetDefaults()
		c.Cache.SetDefaults()
	}
}

// Validate reports every mistake at once.
func (c *Config) Validate() error {
	var errs []error
	if c.ID < 0 {
		errs = append(errs, fmt.Errorf("broker.id is %d, it must be 0 or more", c.ID))
	}
	for name, missing := range map[string]bool{
		"Listener": c.Listener == nil, "Metadata": c.Metadata == nil, "Bucket": c.Bucket == nil, "NewRand": c.NewRand == nil, "NewUUID": c.NewUUID == nil, "Logger": c.Logger == nil,
	} {
		if missing {
			errs = append(errs, fmt.Errorf("broker: %s is not set", name))
		}
	}
	if c.Advertised.Host == "" || c.Advertised.Host == "0.0.0.0" || c.Advertised.Host == "::" {
		errs = append(errs, fmt.Errorf("broker: clients cannot reach %q; set --advertise to a host name or address and port", c.Advertised.Host))
	}
	if c.PutsPerSecond != 0 && !(c.PutsPerSecond >= 1) {
		errs = append(errs, fmt.Errorf("storage.put.budget.per.second is %v, it must be 1 or more, or 0 for no bound", c.PutsPerSecond))
	}
	errs = append(errs, c.Jobs.Validate())
	return errors.Join(errs...)
}

func (c *Config) listeners() []topics.BrokerListener {
	protocol := int16(0) // PLAINTEXT
	if c.TLS != nil {
		protocol = 1 // SSL
	}
	return []topics.BrokerListener{{Name: c.ListenerName, Host: c.Advertised.Host, Port: c.Advertised.Port, SecurityProtocol: protocol}}
}

// jitter gives each caller a random number in [0,1) from a source of its own, behind a lock of its own.
func (c *Config) jitter() func() float64 {
	random := c.NewRand()
	lock := make(chan struct{}, 1)
	return func() float64 {
		lock <- struct{}{}
		defer func() { <-lock }()
		return random.Float64()
	}
}

// startContext bounds the calls that a start waits for.
func (c *Config) startContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, c.StartTimeout, fmt.Errorf("the Metadata cluster did not answer within %s", c.StartTimeout))
}
