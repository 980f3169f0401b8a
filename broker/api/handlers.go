package api

import (
	"context"
	"log/slog"
	"sort"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/clusterimage"
	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/internal/limitedlog"
	"github.com/inkwell-project/inkwell/kafka/configs"
	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// Broker is one live broker, as Metadata shows it.
type Broker struct {
	ID        int32
	Rack      string
	Listeners []topics.BrokerListener
}

// Forwarder proxies requests to a coordinator; extra is added to the usual time limit for calls that park.
type Forwarder interface {
	Forward(ctx context.Context, req *rpc.ForwardRequest, extra time.Duration) (*rpc.ForwardResponse, error)
}

// Coordinator is what handlers ask the Batch Coordinator directly.
type Coordinator interface {
	rpc.RecordDeleter
	rpc.PartitionDescriber
	rpc.SegmentFinder
}

// Config is what the handlers are wired with.
type Config struct {
	ClusterUUID     string // what clients see as cluster.id
	BrokerID        int32
	GroupPartitions int32 // partitions of __consumer_offsets
	Settings        Settings
	Static          configs.Lookup // what the operator configured, by Kafka's names
	Store           string         // the object store's URL without secrets: the one log dir

	Image       func() *clusterimage.Image
	Brokers     func() []Broker // live ones, this one among them
	Forwarder   Forwarder
	Coordinator Coordinator
	Appender    Appender
	Fetcher     Fetcher
	ProducerIDs ProducerIDs

	Clock     clock.Clock
	SessionID func() int32 // random, for fetch sessions
	Logger    *slog.Logger
}

// Settings are the broker settings that change how handlers answer, by Kafka's names.
type Settings struct {
	AutoCreateTopics  bool  // auto.create.topics.enable
	FetchMaxBytes     int32 // fetch.max.bytes
	MaxFetchSessions  int   // max.incremental.fetch.session.cache.slots
	MaxPartitionsPage int32 // max.request.partition.size.limit
}

// SetDefaults fills in Kafka's defaults.
func (s *Settings) SetDefaults() {
	if s.FetchMaxBytes == 0 {
		s.FetchMaxBytes = 55 << 20
	}
	if s.MaxFetchSessions == 0 {
		s.MaxFetchSessions = 1000
	}
	if s.MaxPartitionsPage == 0 {
		s.MaxPartitionsPage = 2000
	}
}

// Handlers answers requests.
type Handlers struct {
	cfg      Config
	sessions *fetchSessions
	log      *limitedlog.Logger // of what clients can cause
}

// New makes the handlers.
func New(cfg Config) *Handlers {
	cfg.Settings.SetDefaults()
	return &Handlers{cfg: cfg, sessions: newFetchSessions(cfg.Settings.MaxFetchSessions, cfg.Clock, cfg.SessionID), log: limitedlog.New(cfg.Logger, cfg.Clock)}
}

// version is one API with its handler.
type version struct {
	key, low, high int16
	serve          func(h *Handlers, ctx context.Context, r *listener.Request)
}

var registered []version

// register adds an API to the table; each file calls it for its own key.
func register(key kmsg.Key, low, high int16, serve func(h *Handlers, ctx context.Context, r *listener.Request)) struct{} {
	registered = append(registered, version{key.Int16(), low, high, serve})
	return struct{}{}
}

// registerCall is register for an API whose handler returns its answer. An error becomes the answer's error code through fail.
func registerCall[Q kmsg.Request](key kmsg.Key, low, high int16, call func(h *Handlers, ctx context.Context, r *listener.Request, req Q) kmsg.Response) struct{} {
	return register(key, low, high, func(h *Handlers, ctx context.Context, r *listener.Request) {
		r.Reply(call(h, ctx, r, r.Message.(Q)))
	})
}

// APIs is the listener's table, by key. ApiVersions itself is the listener's.
func (h *Handlers) APIs() []listener.API {
	apis := make([]listener.API, 0, len(registered))
	for _, v := range registered {
		apis = append(apis, listener.API{Key: v.key, MinVersion: v.low, MaxVersion: v.high, Serve: func(ctx context.Context, r *listener.Request) {
			v.serve(h, ctx, r)
		}})
	}
	sort.Slice(apis, func(i, j int) bool { return apis[i].Key < apis[j].Key })
	return apis
}

// client is on whose behalf r is proxied.
func client(r *listener.Request) rpc.Client {
	return rpc.Client{Principal: r.Conn.Principal, ClientID: r.ClientID, Host: remoteHost(r.Conn), Listener: r.Conn.Listener}
}
