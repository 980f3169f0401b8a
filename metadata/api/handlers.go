package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sort"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/rpc"
)

// Node is a metadata node as clients are told of it.
type Node struct {
	ID   int32
	Host string
	Port int32
	Rack string
}

// Groups coordinates the groups of the Metadata Kafka Cluster's own consumers.
type Groups interface {
	Handle(ctx context.Context, client rpc.Client, req kmsg.Request) (kmsg.Response, error)
}

// Config is what the handlers are wired with. All functions are called for each request, by many at once.
type Config struct {
	ClusterID string // of the Metadata Kafka Cluster itself
	NodeID    int32
	Nodes     func() []Node // this one among them
	Topics    func() *Topics
	// Controller is the node that leads __cluster_metadata, -1 when unknown.
	Controller func() int32
	// Quorum describes the replicas of __cluster_metadata; nil refuses DescribeQuorum.
	Quorum func(ctx context.Context) (*rpc.DescribeGroupResponse, error)
	Groups Groups
	// IsAdmin says whether a connection's principal may read topics and use groups.
	IsAdmin func(principal string) bool

	FetchMaxBytes     int   // fetch.max.bytes; 0 is Kafka's 55 MiB
	MaxPartitionsPage int32 // max.request.partition.size.limit; 0 is Kafka's 2000

	Clock  clock.Clock
	Logger *slog.Logger
}

// SetDefaults fills in what is zero and has a default.
func (c *Config) SetDefaults() {
	if c.FetchMaxBytes == 0 {
		c.FetchMaxBytes = 55 << 20
	}
	if c.MaxPartitionsPage == 0 {
		c.MaxPartitionsPage = 2000
	}
	if c.Clock == nil {
		c.Clock = clock.System
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

// Validate reports every mistake at once.
func (c *Config) Validate() error {
	var errs []error
	for _, part := range []struct {
		name    string
		missing bool
	}{{"Nodes", c.Nodes == nil}, {"Topics", c.Topics == nil}, {"Controller", c.Controller == nil}, {"Groups", c.Groups == nil}, {"IsAdmin", c.IsAdmin == nil}} {
		if part.missing {
			errs = append(errs, fmt.Errorf("metadata/api: %s is not set", part.name))
		}
	}
	if c.FetchMaxBytes < 1024 {
		errs = append(errs, fmt.Errorf("fetch.max.bytes is %d, it must be 1024 or more", c.FetchMaxBytes))
	}
	if c.MaxPartitionsPage < 1 {
		errs = append(errs, fmt.Errorf("max.request.partition.size.limit is %d, it must be 1 or more", c.MaxPartitionsPage))
	}
	return errors.Join(errs...)
}

// Handlers answers requests.
type Handlers struct{ cfg Config }

// New makes the handlers. It panics for a Config that is not valid: that is a mistake of the wiring.
func New(cfg Config) *Handlers {
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		panic(err)
	}
	return &Handlers{cfg: cfg}
}

// handler is one API.
type handler struct {
	key, low, high int16
	serve          func(h *Handlers, ctx context.Context, r *listener.Request)
}

var registered []handler

// register adds an API to the table; each file calls it for its own keys. The handler returns the answer.
func register[Q kmsg.Request](key kmsg.Key, low, high int16, call func(h *Handlers, ctx context.Context, r *listener.Request, req Q) kmsg.Response) struct{} {
	registered = append(registered, handler{key.Int16(), low, high, func(h *Handlers, ctx context.Context, r *listener.Request) {
		r.Reply(call(h, ctx, r, r.Message.(Q)))
	}})
	return struct{}{}
}

// APIs is the part of the listener's table that Kafka's clients use, by key.
func (h *Handlers) APIs() []listener.API {
	apis := make([]listener.API, 0, len(registered))
	for _, a := range registered {
		apis = append(apis, listener.API{
			Key: a.key, MinVersion: a.low, MaxVersion: a.high, InOrder: true,
			Serve: func(ctx context.Context, r *listener.Request) { a.serve(h, ctx, r) },
		})
	}
	sort.Slice(apis, func(i, j int) bool { return apis[i].Key < apis[j].Key })
	return apis
}

func (h *Handlers) isAdmin(r *listener.Request) bool { return h.cfg.IsAdmin(r.Conn.Principal) }

// code is err's Kafka code; what has no Kafka name is logged in full, for the client only sees UNKNOWN_SERVER_ERROR.
func (h *Handlers) code(r *listener.Request, err error) int16 {
	ke := kafka.ErrorOf(err)
	if ke == nil {
		return 0
	}
	if ke == kerr.UnknownServerError {
		h.cfg.Logger.Error("request failed", "api", kmsg.NameForKey(r.Key), "version", r.Version, "client_id", r.ClientID, "error", err)
	}
	return ke.Code
}

// partition finds a partition that r may read and this node leads, or says what to answer instead. A leader epoch of -1 is not compared.
func (h *Handlers) partition(r *listener.Request, t *topic, known bool, partition, currentLeaderEpoch int32) (*Partition, int16) {
	if !h.isAdmin(r) {
		return nil, kerr.TopicAuthorizationFailed.Code
	}
	if !known {
		return nil, kerr.UnknownTopicOrPartition.Code
	}
	p, ok := t.partition(partition)
	switch {
	case !ok:
		return nil, kerr.UnknownTopicOrPartition.Code
	case currentLeaderEpoch >= 0 && currentLeaderEpoch < kafka.LeaderEpoch:
		return nil, kerr.FencedLeaderEpoch.Code
	case currentLeaderEpoch > kafka.LeaderEpoch:
		return nil, kerr.UnknownLeaderEpoch.Code
	case !p.led():
		return nil, kerr.NotLeaderForPartition.Code
	}
	return p, 0
}

// notLeader is a log's error as a client of the topic knows it: a log speaks of coordinators.
func notLeader(err error) error {
	if errors.Is(err, kerr.NotCoordinator) {
		return fmt.Errorf("%w: %w", kerr.NotLeaderForPartition, err)
	}
	return err
}
