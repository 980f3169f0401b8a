package broker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/inkwell-project/inkwell/broker/api"
	"github.com/inkwell-project/inkwell/broker/cachemanager"
	"github.com/inkwell-project/inkwell/broker/compaction"
	"github.com/inkwell-project/inkwell/broker/forwarding"
	"github.com/inkwell-project/inkwell/broker/metadatacache"
	"github.com/inkwell-project/inkwell/broker/putbudget"
	"github.com/inkwell-project/inkwell/internal/slab"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// Broker is one Inkless broker.
type Broker struct {
	cfg        Config
	image      *metadatacache.Cache
	cache      *cachemanager.Manager
	epochs     *epochs
	membership *forwarding.Membership
	jobs       *compaction.Jobs
	costs      *costs
	listener   *listener.Server

	draining context.Context // ends when Close begins
	drain    context.CancelFunc

	close    sync.Once
	closeErr error
}

// New registers the broker with its cluster and serves clients when it returns. ctx bounds the start only.
func New(ctx context.Context, cfg Config) (b *Broker, err error) {
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	b = &Broker{cfg: cfg}
	b.draining, b.drain = context.WithCancel(context.Background())
	defer func(started *Broker) { // `return nil, err` has b forget it
		if err != nil {
			_ = started.Close() // what was started; err says why
		}
	}(b)
	if cfg.Registerer != nil {
		if err := cfg.Registerer.Register(cfg.Spent); err != nil {
			return nil, fmt.Errorf("metrics of the storage account: %w", err)
		}
	}
	ctx, cancel := cfg.startContext(ctx)
	defer cancel()
	cluster, err := cfg.Metadata.DescribeCluster(ctx, &rpc.DescribeClusterRequest{})
	if err != nil {
		return nil, fmt.Errorf("asking the Metadata cluster about this broker's cluster: %w", err)
	}
	// The image comes first: everything below looks at it, and registering waits for it.
	if b.image, err = metadatacache.New(metadatacache.Config{
		Cluster: cluster.Cluster, Follower: cfg.Metadata, Clock: cfg.Clock, Rand: cfg.NewRand(), Logger: cfg.Logger, Registerer: cfg.Registerer,
	}); err != nil {
		return nil, err
	}
	forwarder := forwarding.New(forwarding.Config{Metadata: cfg.Metadata, Image: view{b.image}, Clock: cfg.Clock, Jitter: cfg.jitter(), Logger: cfg.Logger, Sender: b.sender, Stalled: b.stalled})
	pool := new(slab.Pool)
	cache := cfg.Cache
	cache.Cluster, cache.Clock, cache.Logger, cache.Registerer = cluster.Cluster, cfg.Clock, cfg.Logger, cfg.Registerer
	if b.cache, err = cachemanager.New(cache, cachemanager.Deps{Bucket: cfg.Spent.Bucket(cfg.Bucket, "fetch"), Coordinator: cfg.Metadata, Buffers: pool, Untold: b.untold, Read: b.read}); err != nil {
		return nil, err
	}
	puts := putbudget.New(cfg.Clock, cfg.PutsPerSecond)
	b.costs = &costs{broker: cfg.ID, spent: cfg.Spent, reporter: cfg.Metadata, image: b.image.Image, clock: cfg.Clock, log: cfg.Logger, topics: map[string]topics.TopicBytes{}}
	if err := b.register(ctx, cluster, forwarder, puts); err != nil {
		return nil, err
	}
	b.costs.epoch = b.epochs.number()
	b.costs.start()
	b.membership = forwarding.JoinMembership(forwarding.MembershipConfig{
		ID: cfg.ID, Self: b.self, SessionTimeout: cfg.SessionTimeout, Forwarder: forwarder, Clock: cfg.Clock, Logger: cfg.Logger,
	})
	jobs := compaction.Config{
		Cluster: cluster.Cluster, Broker: cfg.ID, BrokerEpoch: b.epochs.number, View: jobsView{b.image, cluster.BatchCoordinators}, Work: cfg.Metadata, Objects: cfg.Metadata, Bucket: cfg.Spent.Bucket(cfg.Bucket, "jobs"),
		NextObject: b.epochs.nextObject, Settings: cfg.Jobs, TookOn: b.costs.tookOn,
		Clock: cfg.Clock, Jitter: cfg.jitter(), Logger: cfg.Logger, Registerer: cfg.Registerer,
	}
	if puts != nil {
		jobs.Puts = puts
	}
	b.jobs = compaction.New(jobs)
	return b, b.listen(cluster, forwarder, pool)
}

// self is this broker as its peers see it, while it is registered.
func (b *Broker) self() (forwarding.Peer, bool) {
	cfg := &b.cfg
	return forwarding.Peer{ID: cfg.ID, Epoch: b.epochs.number(), Rack: cfg.Rack, Listeners: cfg.listeners(), Version: cfg.Version, Role: "broker"}, b.epochs.registered()
}

// sender is the registration that requests are proxied under, nil before the first.
func (b *Broker) sender() *rpc.Sender {
	if b.epochs == nil || b.epochs.current.Load() == nil {
		return nil
	}
	return &rpc.Sender{Broker: b.cfg.ID, Epoch: b.epochs.number()}
}

func (b *Broker) stalled() bool {
	return b.epochs != nil && b.epochs.stalls.stalled(b.cfg.Clock.Now(), b.cfg.SessionTimeout)
}

func (b *Broker) register(ctx context.Context, cluster *rpc.DescribeClusterResponse, forwarder *forwarding.Forwarder, puts *putbudget.Budget) error {
	batches := b.cfg.Batches
	batches.Cluster, batches.Broker = cluster.Cluster, b.cfg.ID
	b.epochs = &epochs{cfg: &b.cfg, batches: batches, sink: costSink{b.costs, committedToCache{b.cache}}, forwarder: forwarder, identity: forwarding.Identity{
		ID: b.cfg.ID, IncarnationID: b.cfg.NewUUID(), ClusterID: cluster.UUID, Rack: b.cfg.Rack, Listeners: b.cfg.listeners(), Version: b.cfg.Version,
	}}
	b.epochs.image = b.image
	if puts != nil {
		b.epochs.puts = puts
	}
	b.epochs.ctx, b.epochs.cancel = context.WithCancel(context.Background())
	if err := b.epochs.register(ctx); err != nil {
		return err
	}
	b.epochs.beating.Go(b.epochs.heartbeat)
	return nil
}

func (b *Broker) listen(cluster *rpc.DescribeClusterResponse, forwarder *forwarding.Forwarder, pool *slab.Pool) error {
	handlers := api.New(api.Config{
		ClusterUUID: cluster.UUID, BrokerID: b.cfg.ID, GroupPartitions: cluster.GroupCoordinators, Settings: b.cfg.API, Static: b.cfg.Static, Store: b.cfg.Bucket.String(),
		Image: b.image.Image, Brokers: b.brokers, Forwarder: parked{forwarder, b.draining}, Coordinator: b.cfg.Metadata, Appender: b.epochs, Fetcher: fetcher{b.cache, b.draining},
		ProducerIDs: &api.ProducerIDBlocks{Allocator: allocator{b.cfg.Metadata}, Broker: b.cfg.ID, Epoch: b.epochs.number},
		Clock:       b.cfg.Clock, SessionID: b.cfg.NewRand().Int32, Logger: b.cfg.Logger,
	})
	var err error
	b.listener, err = listener.New(listener.Config{
		Name: b.cfg.ListenerName, Listener: b.cfg.Listener, APIs: handlers.APIs(), TLS: b.cfg.TLS, Pool: pool,
		MaxRequestBytes: b.cfg.Listening.MaxRequestBytes, SendBufferBytes: b.cfg.Listening.SendBufferBytes, ByteCredits: b.cfg.Listening.ByteCredits, MaxConnections: b.cfg.Listening.MaxConnections, IdleTimeout: b.cfg.Listening.IdleTimeout,
		Logger: b.cfg.Logger, Registerer: b.cfg.Registerer, Clock: b.cfg.Clock,
	})
	if err != nil {
		return err
	}
	return b.listener.Start()
}

// brokers are the live ones as Metadata shows them.
func (b *Broker) brokers() []api.Broker {
	peers := b.membership.Peers()
	out := make([]api.Broker, len(peers))
	for i, p := range peers {
		out[i] = api.Broker{ID: p.ID, Rack: p.Rack, Listeners: p.Listeners}
	}
	return out
}

// untold finds an own upload whose commit is under way; see cachemanager.Deps.
func (b *Broker) untold(coordinator int32, object kafka.ObjectID) <-chan struct{} {
	if current := b.epochs.current.Load(); current != nil { // nothing is followed before the broker listens
		return current.processor.Untold(coordinator, object)
	}
	return nil
}

// read puts what a fetch got from the store to its topic's account.
func (b *Broker) read(topic kafka.TopicID, bytes int64) { b.costs.read(topic, bytes) } // nobody fetches before costs is made

// Address is what clients are told.
func (b *Broker) Address() HostPort { return b.cfg.Advertised }

// Ready is nil while the broker serves.
func (b *Broker) Ready() error {
	if b.epochs.current.Load() == nil {
		return errors.New("not registered yet")
	}
	if !b.epochs.registered() {
		return fmt.Errorf("the epoch of broker %d is fenced, it is registering anew", b.cfg.ID)
	}
	return nil
}

// Close drains: it stops accepting, answers what was accepted, finishes uploads and commits, leaves the membership group and ends every goroutine.
func (b *Broker) Close() error {
	b.close.Do(func() { b.closeErr = b.shutdown(b.cfg.DrainTimeout) })
	return b.closeErr
}

// Abandon is Close without the draining: for a process that cannot reach its Metadata cluster any more. Clients get no answer and ask elsewhere, or again later.
func (b *Broker) Abandon() {
	b.close.Do(func() {
		_ = b.shutdown(0) // it says that not everything was answered
	})
}

func (b *Broker) shutdown(timeout time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), timeout, fmt.Errorf("draining took longer than %s", timeout))
	defer cancel()
	var errs []error
	if b.listener != nil {
		b.drain() // parked requests would hold the listener up for as long as they wait
		errs = append(errs, b.listener.Shutdown(ctx))
	}
	if b.epochs != nil {
		errs = append(errs, b.epochs.close(ctx))
	}
	if b.jobs != nil {
		errs = append(errs, b.jobs.Close())
	}
	if b.costs != nil && b.costs.cancel != nil { // what uploads and jobs spent last is in it
		b.costs.close(ctx)
	}
	if b.membership != nil {
		errs = append(errs, b.membership.Close())
	}
	if b.cache != nil {
		errs = append(errs, b.cache.Close())
	}
	if b.image != nil {
		errs = append(errs, b.image.Close())
	}
	return errors.Join(errs...)
}
