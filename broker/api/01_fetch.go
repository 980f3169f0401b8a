package api

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/clusterimage"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/listener/fetchresponse"
	"github.com/inkwell-project/inkwell/topics"
)

// Fetch v4-18, with fetch sessions (KIP-227), topic ids (v13), and the preferred broker of a client's rack (KIP-392). Partitions are served in request order; the first
// one with records gives at least one batch. Records leave as slices of cached memory, without a copy.
var _ = register(kmsg.Fetch, 4, 18, (*Handlers).fetch)

// fetched is one partition of a Fetch on its way to the answer.
type fetched struct {
	asked   askedPartition
	at      int // index in the Fetcher's request, -1 when answered here
	answer  kmsg.FetchResponseTopicPartition
	records [][]byte
}

func (h *Handlers) fetch(ctx context.Context, r *listener.Request) {
	req := r.Message.(*kmsg.FetchRequest)
	out := req.ResponseKind().(*kmsg.FetchResponse)
	if !isolationKnown(req.IsolationLevel) {
		refuseFetch(out, req, kerr.UnknownServerError.Code) // as Kafka
		r.Reply(out)
		return
	}
	fc, refused := h.sessions.begin(req)
	if refused != nil {
		out.ErrorCode = refused.Code
		r.Reply(out)
		return
	}
	parts, ask := h.resolveFetch(r, req, fc.partitions)
	var results []FetchResult
	if len(ask.Partitions) > 0 {
		results = h.cfg.Fetcher.Fetch(ctx, ask) // waits, and holds no lock
	}
	releases := make([]func(), 0, len(results))
	for i := range parts {
		if parts[i].at >= 0 {
			res := &results[parts[i].at]
			h.fillFetched(r, &parts[i], res, min(req.MaxBytes, parts[i].asked.maxBytes) < 0)
			if res.Release != nil {
				releases = append(releases, res.Release)
			}
		}
	}
	told, id, refused := h.sessions.end(fc, parts, ctx.Err() == nil)
	out.SessionID = id
	if refused != nil {
		out.ErrorCode = refused.Code
	}
	records := assembleFetch(out, told)
	r.ReplyWith(listener.Response{
		Vector: fetchresponse.Append(nil, out, func(topic, partition int) [][]byte { return records[topic][partition] }),
		Release: func() {
			for _, release := range releases {
				release()
			}
		},
	})
}

// byReplica says whether another broker, and no consumer, sent a request.
func byReplica(req *kmsg.FetchRequest) bool {
	return req.ReplicaID >= 0 || (req.Version >= 15 && req.ReplicaState.ID >= 0)
}

// refuseFetch refuses a request as a whole; before topic ids clients look for the code at each partition.
func refuseFetch(out *kmsg.FetchResponse, req *kmsg.FetchRequest, code int16) {
	out.ErrorCode, out.SessionID = code, req.SessionID
	if req.Version >= firstWithTopicIDs {
		return
	}
	var told []*fetched
	for _, asked := range askedPartitions(req) {
		f := newFetched(asked)
		f.answer.ErrorCode = code
		told = append(told, &f)
	}
	assembleFetch(out, told)
}

// newFetched is a partition of which nothing is known yet.
func newFetched(asked askedPartition) fetched {
	f := fetched{asked: asked, at: -1, answer: kmsg.NewFetchResponseTopicPartition()}
	a := &f.answer
	a.Partition, a.HighWatermark, a.LastStableOffset, a.LogStartOffset, a.PreferredReadReplica = asked.key.partition, -1, -1, -1, -1
	a.RecordBatches = []byte{} // none, which is not null
	return f
}

// resolveFetch turns names into partitions; what cannot be fetched here is answered here.
func (h *Handlers) resolveFetch(r *listener.Request, req *kmsg.FetchRequest, partitions []askedPartition) ([]fetched, *FetchRequest) {
	image := h.cfg.Image()
	maxBytes := int(max(min(req.MaxBytes, h.cfg.Settings.FetchMaxBytes), 0))
	ask := &FetchRequest{MinBytes: min(int(req.MinBytes), maxBytes), MaxBytes: maxBytes, MaxWait: time.Duration(max(req.MaxWaitMillis, 0)) * time.Millisecond}
	nearer := h.nearerBrokers(r, req)
	parts := make([]fetched, len(partitions))
	for i, asked := range partitions {
		parts[i] = newFetched(asked)
		a := &parts[i].answer
		if req.IsolationLevel == 1 {
			a.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{}
		}
		topic, code := fetchTopic(image, req.Version, asked.key)
		switch {
		case code != 0:
			a.ErrorCode = code
		case byReplica(req):
			a.ErrorCode = kerr.NotLeaderForPartition.Code // none follows a diskless partition
		case leaderEpochError(max(asked.leaderEpoch, noLeaderEpoch)) != 0:
			a.ErrorCode = leaderEpochError(asked.leaderEpoch)
		case asked.lastFetched > kafka.LeaderEpoch:
			a.ErrorCode = kerr.OffsetOutOfRange.Code // as Kafka, which cannot say where such an epoch diverged
		case nearer != nil:
			a.PreferredReadReplica = nearer.broker(topic.ID, asked.key.partition)
		default:
			parts[i].at = len(ask.Partitions)
			ask.Partitions = append(ask.Partitions, FetchPartition{
				Partition: h.partition(image, topic, asked.key.partition), Offset: asked.offset, MaxBytes: int(max(asked.maxBytes, 0)),
			})
		}
		if parts[i].at < 0 {
			ask.MaxWait = 0 // there is something to tell
		}
	}
	return parts, ask
}

func fetchTopic(image *clusterimage.Image, version int16, key sessionKey) (*topics.Topic, int16) {
	var topic *topics.Topic
	var ok bool
	if version >= 13 {
		if topic, ok = topicByID(image, key.topicID); !ok {
			return nil, kerr.UnknownTopicID.Code
		}
	} else if topic, ok = topicByName(image, key.topic); !ok {
		return nil, kerr.UnknownTopicOrPartition.Code
	}
	if key.partition < 0 || int(key.partition) >= len(topic.Coordinators) {
		return nil, kerr.UnknownTopicOrPartition.Code
	}
	return topic, 0
}

// nearerBrokers is where a client of another rack should fetch, nil when here is right.
func (h *Handlers) nearerBrokers(r *listener.Request, req *kmsg.FetchRequest) *placement {
	if req.Version < 11 || req.Rack == "" {
		return nil
	}
	brokers := h.reachable(r)
	anywhereNear := false
	for _, b := range brokers {
		if b.ID == h.cfg.BrokerID && b.Rack == req.Rack {
			return nil
		}
		anywhereNear = anywhereNear || b.Rack == req.Rack
	}
	if !anywhereNear {
		return nil
	}
	place := newPlacement(brokers, req.Rack)
	return &place
}

// fillFetched puts a result into the answer. With a negative size Kafka fails where there are records, and only there.
func (h *Handlers) fillFetched(r *listener.Request, f *fetched, res *FetchResult, negative bool) {
	a := &f.answer
	a.ErrorCode = h.code(r, res.Err)
	if res.Err == nil && negative && f.asked.offset < res.HighWatermark {
		a.ErrorCode = kerr.UnknownServerError.Code
	}
	if a.ErrorCode != 0 {
		return // without offsets, as Kafka
	}
	a.HighWatermark, a.LastStableOffset, a.LogStartOffset = res.HighWatermark, res.LastStableOffset, res.LogStartOffset
	f.records = res.Records
}

// assembleFetch puts partitions into the answer, by topic in serving order, and returns their records in the same places.
func assembleFetch(out *kmsg.FetchResponse, parts []*fetched) (records [][][][]byte) {
	type topicKey struct {
		id   [16]byte
		name string
	}
	at := map[topicKey]int{}
	for _, f := range parts {
		key := topicKey{f.asked.key.topicID, f.asked.key.topic}
		t, ok := at[key]
		if !ok {
			t = len(out.Topics)
			at[key] = t
			rt := kmsg.NewFetchResponseTopic()
			rt.Topic, rt.TopicID = key.name, key.id
			out.Topics = append(out.Topics, rt)
			records = append(records, nil)
		}
		out.Topics[t].Partitions = append(out.Topics[t].Partitions, f.answer)
		records[t] = append(records[t], f.records)
	}
	return records
}
