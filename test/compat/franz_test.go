package compat

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// franz is franz-go behind the driver protocol, in this process.
type franz struct {
	bootstrap string
	client    *kgo.Client // for admin requests
	admin     *kadm.Client

	mu        sync.Mutex // guards the maps
	producers map[producerConfig]*kgo.Client
	members   map[string]*franzMember
}

func newFranz(bootstrap string) (*franz, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap))
	if err != nil {
		return nil, err
	}
	return &franz{bootstrap: bootstrap, client: client, admin: kadm.NewClient(client), producers: make(map[producerConfig]*kgo.Client), members: make(map[string]*franzMember)}, nil
}

func (f *franz) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.members {
		m.leave()
	}
	for _, p := range f.producers {
		p.Close()
	}
	f.client.Close()
	return nil
}

func (f *franz) call(ctx context.Context, r request) answer {
	a, err := f.handle(ctx, r)
	if err != nil {
		a.Code, a.Error = -1, err.Error()
		if code, ok := codeOf(err); ok {
			a.Code = code
		}
	}
	return a
}

func (f *franz) handle(ctx context.Context, r request) (answer, error) {
	switch r.Op {
	case "create_topic":
		configs := make(map[string]*string, len(r.Configs))
		for k, v := range r.Configs {
			configs[k] = ptr(v)
		}
		_, err := f.admin.CreateTopic(ctx, r.Parts, 1, configs, r.Topic)
		return answer{}, err
	case "delete_topic":
		_, err := f.admin.DeleteTopic(ctx, r.Topic)
		return answer{}, err
	case "partitions":
		topics, err := f.admin.ListTopics(ctx, r.Topic)
		if err != nil {
			return answer{}, err
		}
		return answer{Partitions: len(topics[r.Topic].Partitions)}, topics[r.Topic].Err
	case "list_offsets":
		return f.listOffsets(ctx, r)
	case "delete_records":
		offsets := make(kadm.Offsets)
		offsets.AddOffset(r.Topic, r.Partition, *r.Offset, -1)
		deleted, err := f.admin.DeleteRecords(ctx, offsets)
		if err != nil {
			return answer{}, err
		}
		one := deleted[r.Topic][r.Partition]
		return answer{Offset: one.LowWatermark}, one.Err
	case "committed":
		offsets, err := f.admin.FetchOffsets(ctx, r.Group)
		if err != nil {
			return answer{}, err
		}
		o, ok := offsets.Lookup(r.Topic, r.Partition)
		if !ok {
			return answer{Offset: -1}, nil
		}
		return answer{Offset: o.At, Metadata: o.Metadata}, o.Err
	case "produce":
		return f.produce(ctx, r)
	case "produce_sequence":
		return f.produceSequence(ctx, r)
	case "read":
		return f.read(ctx, r)
	case "join":
		m, err := joinFranz(f.bootstrap, r)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.members[r.Name] = m
		return answer{}, err
	}
	f.mu.Lock()
	m := f.members[r.Name]
	if r.Op == "leave" {
		delete(f.members, r.Name)
	}
	f.mu.Unlock()
	switch {
	case m == nil:
	case r.Op == "state":
		return m.state()
	case r.Op == "commit":
		return answer{}, m.commit(ctx, r.Offsets)
	case r.Op == "leave":
		m.leave()
		return answer{}, nil
	}
	return answer{}, fmt.Errorf("unknown op %q or member %q", r.Op, r.Name)
}

func (f *franz) listOffsets(ctx context.Context, r request) (answer, error) {
	times := map[string]int64{"earliest": -2, "latest": -1, "max_timestamp": -3}
	at, ok := times[r.Spec]
	if !ok {
		at = *r.Timestamp
	}
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID = -1
	topic, partition := kmsg.NewListOffsetsRequestTopic(), kmsg.NewListOffsetsRequestTopicPartition()
	partition.Partition, partition.Timestamp, partition.CurrentLeaderEpoch = r.Partition, at, -1
	topic.Topic, topic.Partitions = r.Topic, append(topic.Partitions, partition)
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(ctx, f.client)
	if err != nil {
		return answer{}, err
	}
	one := response.Topics[0].Partitions[0]
	return answer{Offset: one.Offset, Timestamp: one.Timestamp}, kerr.ErrorForCode(one.ErrorCode)
}

func (f *franz) producer(c producerConfig) (*kgo.Client, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.producers[c]; p != nil {
		return p, nil
	}
	codecs := map[string]kgo.CompressionCodec{"": kgo.NoCompression(), "none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
	acks := map[string]kgo.Acks{"": kgo.AllISRAcks(), "all": kgo.AllISRAcks(), "1": kgo.LeaderAck(), "0": kgo.NoAck()}
	opts := []kgo.Opt{kgo.SeedBrokers(f.bootstrap), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(codecs[c.Codec]), kgo.RequiredAcks(acks[c.Acks]),
		kgo.ProducerBatchMaxBytes(1_048_588), kgo.AllowAutoTopicCreation(), kgo.ProducerLinger(time.Duration(c.LingerMS) * time.Millisecond), kgo.MetadataMinAge(50 * time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }), kgo.RecordRetries(1000)}
	if c.BatchBytes > 0 {
		opts = append(opts, kgo.ProducerBatchMaxBytes(int32(c.BatchBytes)))
	}
	if !c.Idempotent {
		opts = append(opts, kgo.DisableIdempotentWrite())
	}
	p, err := kgo.NewClient(opts...)
	if err == nil {
		f.producers[c] = p
	}
	return p, err
}

func (f *franz) produce(ctx context.Context, r request) (answer, error) {
	p, err := f.producer(*r.Config)
	if err != nil {
		return answer{}, err
	}
	records := make([]*kgo.Record, len(r.Records))
	for i, rec := range r.Records {
		records[i] = &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: rec.Key, Value: rec.Value}
		if rec.Timestamp != 0 {
			records[i].Timestamp = time.UnixMilli(rec.Timestamp)
		}
		for _, h := range rec.Headers {
			records[i].Headers = append(records[i].Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
	}
	// Results come in the order in which batches end, the answer is in the order of the request.
	if err := p.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return answer{}, err
	}
	var a answer
	for _, rec := range records {
		if r.Config.Acks == "0" {
			rec.Offset = -1 // nobody told
		}
		a.Offsets = append(a.Offsets, rec.Offset)
	}
	return a, nil
}

func (f *franz) produceSequence(ctx context.Context, r request) (answer, error) {
	p, err := f.producer(*r.Config)
	if err != nil {
		return answer{}, err
	}
	var mu sync.Mutex
	var a answer
	var first error
	for i := range r.Count {
		p.Produce(ctx, &kgo.Record{Topic: r.Topic, Partition: r.Partition, Value: []byte(strconv.Itoa(i))}, func(_ *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				a.Acked++
			} else if first == nil {
				first = err
			}
		})
	}
	if err := p.Flush(ctx); err != nil {
		return a, err
	}
	return a, first
}

func toRecord(r *kgo.Record) record {
	out := record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		out.Headers = append(out.Headers, header{h.Key, h.Value})
	}
	return out
}

func resetOption(name string) kgo.Opt {
	resets := map[string]kgo.Offset{"none": kgo.NoResetOffset(), "latest": kgo.NewOffset().AtEnd()}
	if reset, ok := resets[name]; ok {
		return kgo.ConsumeResetOffset(reset)
	}
	return kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())
}

func (f *franz) read(ctx context.Context, r request) (answer, error) {
	offset := kgo.NewOffset().AtStart()
	if r.Timestamp != nil {
		offset = offset.AfterMilli(*r.Timestamp)
	} else if r.Offset != nil {
		offset = offset.At(*r.Offset)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(f.bootstrap), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{r.Topic: {r.Partition: offset}}),
		resetOption(r.Reset), kgo.FetchMaxWait(200*time.Millisecond), kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		return answer{}, err
	}
	defer client.Close()
	timeout := 30 * time.Second
	if r.TimeoutMS > 0 {
		timeout = time.Duration(r.TimeoutMS) * time.Millisecond
	}
	polling, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var a answer
	for len(a.Records) < r.Count && polling.Err() == nil {
		fetches := client.PollRecords(polling, r.Count-len(a.Records))
		if err := fetches.Err(); err != nil && polling.Err() == nil {
			return a, err
		}
		fetches.EachRecord(func(rec *kgo.Record) { a.Records = append(a.Records, toRecord(rec)) })
	}
	return a, nil
}

// franzMember is one group member that polls.
type franzMember struct {
	client *kgo.Client
	stop   context.CancelFunc
	done   chan struct{}

	mu         sync.Mutex // guards what follows
	records    []record
	assignment map[topicPartition]bool
	rebalances int
	failure    error
}

func joinFranz(bootstrap string, r request) (*franzMember, error) {
	m := &franzMember{done: make(chan struct{}), assignment: make(map[topicPartition]bool)}
	change := func(member bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, changed map[string][]int32) {
			m.mu.Lock()
			defer m.mu.Unlock()
			if member {
				m.rebalances++
			}
			for topic, partitions := range changed {
				for _, p := range partitions {
					if member {
						m.assignment[topicPartition{topic, p}] = true
					} else {
						delete(m.assignment, topicPartition{topic, p})
					}
				}
			}
		}
	}
	balancer := kgo.GroupBalancer(kgo.RangeBalancer())
	if r.Assignor == "cooperative-sticky" {
		balancer = kgo.CooperativeStickyBalancer()
	}
	session := 10 * time.Second
	if r.SessionTimeoutMS > 0 {
		session = time.Duration(r.SessionTimeoutMS) * time.Millisecond
	}
	opts := []kgo.Opt{kgo.SeedBrokers(bootstrap), kgo.ConsumerGroup(r.Group), kgo.ConsumeTopics(r.Topics...), kgo.Balancers(balancer), kgo.DisableAutoCommit(), kgo.SessionTimeout(session),
		kgo.HeartbeatInterval(300 * time.Millisecond), kgo.MetadataMaxAge(time.Second), kgo.MetadataMinAge(50 * time.Millisecond), kgo.FetchMaxWait(200 * time.Millisecond),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), resetOption(r.Reset), kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(change(false)), kgo.OnPartitionsLost(change(false))}
	if r.Instance != "" {
		opts = append(opts, kgo.InstanceID(r.Instance))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	m.client, m.stop = client, stop
	go m.run(ctx)
	return m, nil
}

func (m *franzMember) run(ctx context.Context) {
	defer close(m.done)
	for ctx.Err() == nil {
		fetches := m.client.PollFetches(ctx)
		m.mu.Lock()
		if err := fetches.Err(); err != nil && ctx.Err() == nil && m.failure == nil {
			m.failure = err
		}
		fetches.EachRecord(func(rec *kgo.Record) { m.records = append(m.records, toRecord(rec)) })
		m.mu.Unlock()
	}
}

func (m *franzMember) state() (answer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := answer{Rebalances: m.rebalances, Records: append([]record(nil), m.records...)}
	for tp := range m.assignment {
		a.Assignment = append(a.Assignment, tp)
	}
	return a, m.failure
}

func (m *franzMember) commit(ctx context.Context, offsets []commit) error {
	if offsets == nil {
		return m.client.CommitUncommittedOffsets(ctx)
	}
	var failure error
	of := make(map[string]map[int32]kgo.EpochOffset)
	for _, o := range offsets {
		if of[o.Topic] == nil {
			of[o.Topic] = make(map[int32]kgo.EpochOffset)
		}
		of[o.Topic][o.Partition] = kgo.EpochOffset{Epoch: -1, Offset: o.Offset}
	}
	ctx = kgo.PreCommitFnContext(ctx, func(request *kmsg.OffsetCommitRequest) error {
		for i := range request.Topics {
			for j := range request.Topics[i].Partitions {
				for _, o := range offsets {
					if o.Topic == request.Topics[i].Topic && o.Partition == request.Topics[i].Partitions[j].Partition {
						request.Topics[i].Partitions[j].Metadata = ptr(o.Metadata)
					}
				}
			}
		}
		return nil
	})
	m.client.CommitOffsetsSync(ctx, of, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, response *kmsg.OffsetCommitResponse, err error) {
		failure = err
		if response == nil {
			return
		}
		for _, t := range response.Topics {
			for _, p := range t.Partitions {
				if failure == nil {
					failure = kerr.ErrorForCode(p.ErrorCode)
				}
			}
		}
	})
	return failure
}

func (m *franzMember) leave() {
	m.stop()
	<-m.done
	m.client.Close() // leaves the group, unless it is a static member
}
