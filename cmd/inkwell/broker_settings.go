package main

import (
	"cmp"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/inkwell-project/inkwell/broker"
	"github.com/inkwell-project/inkwell/broker/compaction"
	"github.com/inkwell-project/inkwell/internal/settings"
	"github.com/inkwell-project/inkwell/objectstorage/storageurl"
)

// brokerSettings are the settings of a broker, in `inkwell broker` and `inkwell dev`. Those that Kafka has, have Kafka's names.
type brokerSettings struct {
	listen, advertise, store string
	id                       int64
	rack                     string

	autoCreate     bool
	maxRequest     int64
	sendBuffer     int64
	maxConnections int64
	idle           time.Duration
	fetchMax       int64
	credits        int64
	cache          int64
	objectBytes    int64
	slots          int64
	interval       time.Duration
	puts           int64
	session        time.Duration
	jobs           compaction.Settings
	jobsAtOnce     int64
	tls            listenerTLS
}

func (b *brokerSettings) define(s *settings.Set, storeDefault string) {
	s.String(&b.listen, "listen", "127.0.0.1:9092", "address that clients connect to", address)
	s.String(&b.advertise, "advertise", "", "HOST:PORT that clients are told; empty means the --listen address", reachableAddress)
	b.tls.define(s, "with the authorities (CA) that clients' certificates must come from; set, clients without one are refused")
	s.String(&b.store, "store", storeDefault, "object storage: file:///FOLDER or s3://BUCKET/PREFIX?region=REGION&endpoint=URL; credentials come from the provider's usual chain", nil)
	s.Int(&b.id, "broker.id", 1, 0, 1<<31-1, "this broker's id, one of its own in the cluster")
	s.String(&b.rack, "broker.rack", "", "this broker's zone", nil)
	s.Bool(&b.autoCreate, "auto.create.topics.enable", true, "create topics on first use")
	s.Bytes(&b.maxRequest, "socket.request.max.bytes", "100MiB", 1<<10, 1<<31-1, "largest request")
	s.Bytes(&b.sendBuffer, "socket.send.buffer.bytes", "256KiB", -1, 1<<30, "send buffer of a client's connection; raise it for clients that are far away; 0 or -1 leaves it to the system")
	s.Int(&b.maxConnections, "max.connections", 10_000, 1, 1<<20, "connections at a time; further ones wait")
	s.Duration(&b.idle, "connections.max.idle", 10*time.Minute, time.Second, 24*time.Hour, "time after which an idle connection is closed")
	s.Bytes(&b.fetchMax, "fetch.max.bytes", "55MiB", 1<<10, 1<<31-1, "most bytes of one fetch answer")
	s.Bytes(&b.credits, "queued.max.request.bytes", "64MiB", 1<<20, 1<<40, "bytes of requests in memory; when they are used up, sockets are not read, and connections whose request stopped in the middle 5 to 10 s ago are closed; an eighth, 8 MiB at most, is kept for small requests other than Produce")
	s.Bytes(&b.cache, "cache.bytes", "176MiB", 2<<20, 1<<42, "bytes of objects kept in memory")
	s.Bytes(&b.objectBytes, "object.bytes", "8MiB", 64<<10, 1<<30, "size at which an object is uploaded at the latest")
	s.Int(&b.slots, "upload.slots", 0, 0, 1024, "uploads at a time; 0 chooses by the kind of store")
	s.Duration(&b.interval, "commit.interval", 0, 0, time.Minute, "time that a record waits for others in its object at most, unless storage.put.budget.per.second makes it wait; 0 chooses by the kind of store")
	s.Int(&b.puts, "storage.put.budget.per.second", 0, 0, 1_000_000, "PUTs per second of producers and compaction jobs together, each part of an upload counted; beyond it records wait, a quarter of their request's timeout at most, and jobs have a fifth for certain; 0 for no bound")
	s.Bytes(&b.jobs.BytesPerSecond, "compaction.bytes.per.second", "128MiB", 0, 1<<40, "bytes per second that compaction jobs read and write, 1 MiB at least; 0 for no bound")
	s.Int(&b.jobs.RequestsPerSecond, "compaction.requests.per.second", compaction.DefaultRequestsPerSecond, 0, 1_000_000, "requests per second that compaction jobs make to the object storage; 0 for no bound")
	s.Int(&b.jobsAtOnce, "compaction.max.concurrent.jobs", compaction.DefaultMaxConcurrentJobs, 1, 64, "merges and key compactions that run at a time")
	s.Bytes(&b.jobs.MemoryBytes, "compaction.memory.bytes", "64MiB", 1<<20, 1<<34, "bytes of its input that one merge or key compaction holds in memory")
	s.Bytes(&b.jobs.DedupeBufferBytes, "log.cleaner.dedupe.buffer.size", "32MiB", 1<<10, 128<<20, "memory for the keys of one key compaction; with more keys it reads its input several times")
	s.Duration(&b.session, "broker.session.timeout", 10*time.Second, 6*time.Second, 5*time.Minute, "time after which a broker that does not answer leaves the cluster's view")
}

// checkStore reads the URL before anything is opened. It is no check of its setting: what that refuses is printed, and a URL may hold a secret by mistake.
func (b *brokerSettings) checkStore() error {
	if b.store == "" {
		return nil
	}
	if _, err := storageurl.Parse(b.store); err != nil {
		return fmt.Errorf("--store: %w", err)
	}
	return nil
}

// config is the part of broker.Config that settings decide; the caller adds the outside world.
func (b *brokerSettings) config() (broker.Config, error) {
	cfg := broker.Config{ID: int32(b.id), Rack: b.rack, Version: version, SessionTimeout: b.session}
	cfg.API.AutoCreateTopics = b.autoCreate
	cfg.API.FetchMaxBytes = int32(b.fetchMax)
	cfg.Listening = broker.Listening{MaxRequestBytes: int(b.maxRequest), SendBufferBytes: cmp.Or(int(b.sendBuffer), -1), ByteCredits: b.credits, MaxConnections: int(b.maxConnections), IdleTimeout: b.idle}
	// A quarter for what was just written: readers that lag need most, for the partitions of an object are read one after the other. Of the default, 16 partitions get the
	// largest pieces of objects.
	cfg.Cache.CacheBytes, cfg.Cache.TailBytes = b.cache, b.cache/4
	cfg.Jobs = b.jobs
	cfg.Jobs.MaxConcurrentJobs = int(b.jobsAtOnce)
	cfg.Batches.MaxObjectBytes = b.objectBytes
	cfg.Batches.MaxBufferedBytes = max(b.credits, b.objectBytes)
	cfg.Batches.UploadSlots = int(b.slots)
	cfg.Batches.CommitInterval = b.interval
	cfg.PutsPerSecond = float64(b.puts)
	if b.advertise != "" {
		host, port, err := net.SplitHostPort(b.advertise)
		if err != nil {
			return cfg, fmt.Errorf("--advertise %s: %w", b.advertise, err)
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return cfg, fmt.Errorf("--advertise %s: the port must be a number from 1 to 65535", b.advertise)
		}
		cfg.Advertised = broker.HostPort{Host: host, Port: int32(n)}
	}
	return cfg, nil
}

// static is what DescribeConfigs shows of this broker's own settings.
func (b *brokerSettings) static(num, retentionCheck string) func(name string) (string, bool) {
	values := map[string]string{
		"broker.id": strconv.FormatInt(b.id, 10), "auto.create.topics.enable": strconv.FormatBool(b.autoCreate), "socket.request.max.bytes": strconv.FormatInt(b.maxRequest, 10),
		"max.connections": strconv.FormatInt(b.maxConnections, 10), "connections.max.idle.ms": strconv.FormatInt(b.idle.Milliseconds(), 10), "fetch.max.bytes": strconv.FormatInt(b.fetchMax, 10),
		"socket.send.buffer.bytes": strconv.FormatInt(b.sendBuffer, 10), "queued.max.request.bytes": strconv.FormatInt(b.credits, 10), "num.partitions": num, "log.retention.check.interval.ms": retentionCheck,
	}
	if b.rack != "" {
		values["broker.rack"] = b.rack
	}
	return func(name string) (string, bool) {
		v, ok := values[name]
		return v, ok && v != ""
	}
}
