package api

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/listener/fetchresponse"
)

// Fetch v4-18, by name or topic id (v13). There are no fetch sessions: the answer's session id is always 0, after which clients send whole requests. Nothing
// is transactional, so both isolation levels see the same. Partitions are served in request order within the budget, with one guaranteed record per request; a request
// that finds less than its min bytes waits until a record is appended.
var _ = func() struct{} {
	registered = append(registered, handler{kmsg.Fetch.Int16(), fetchresponse.MinVersion, fetchresponse.MaxVersion, (*Handlers).fetch})
	return struct{}{}
}()

// maxFetchWait bounds a long poll, whatever the client asks: a connection that waits does not notice that its peer is gone.
const maxFetchWait = time.Minute

// fetching is one partition of a Fetch on its way to the answer.
type fetching struct {
	partition *Partition // nil when the answer is known
	asked     kmsg.FetchRequestTopicPartition
	answer    kmsg.FetchResponseTopicPartition
}

func (h *Handlers) fetch(ctx context.Context, r *listener.Request) {
	req := r.Message.(*kmsg.FetchRequest)
	out := req.ResponseKind().(*kmsg.FetchResponse)
	switch {
	case req.ReplicaID >= 0 || req.Version >= 15 && req.ReplicaState.ID >= 0:
		out.ErrorCode = kerr.NotLeaderForPartition.Code // replicas follow by Raft
	case req.Version >= 7 && req.SessionID != 0 && req.SessionEpoch > 0:
		out.ErrorCode = kerr.FetchSessionIDNotFound.Code
	default:
		parts := h.resolve(r, req)
		h.fetchUntilEnough(ctx, r, req, parts)
		assemble(out, req, parts)
	}
	r.ReplyWith(listener.Response{Vector: fetchresponse.Append(nil, out, nil)})
}

// resolve finds the partitions, in request order.
func (h *Handlers) resolve(r *listener.Request, req *kmsg.FetchRequest) []*fetching {
	topics := h.cfg.Topics()
	var parts []*fetching
	for _, t := range req.Topics {
		var found *topic
		var known bool
		if req.Version >= 13 {
			found, known = topics.identified(t.TopicID)
		} else {
			found, known = topics.named(t.Topic)
		}
		for _, p := range t.Partitions {
			f := &fetching{asked: p, answer: kmsg.NewFetchResponseTopicPartition()}
			a := &f.answer
			a.Partition, a.PreferredReadReplica = p.Partition, -1
			if req.IsolationLevel == 1 {
				a.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{}
			}
			if req.Version >= 13 && !known {
				a.ErrorCode = kerr.UnknownTopicID.Code
			} else {
				f.partition, a.ErrorCode = h.partition(r, found, known, p.Partition, p.CurrentLeaderEpoch)
			}
			f.clear()
			parts = append(parts, f)
		}
	}
	return parts
}

// clear forgets what an earlier look found.
func (f *fetching) clear() {
	a := &f.answer
	a.HighWatermark, a.LastStableOffset, a.LogStartOffset = -1, -1, -1
	a.RecordBatches = []byte{} // none, which is not null
}

// fetchUntilEnough fills in the answers. It returns when there are min bytes, an error to tell, or no time left.
func (h *Handlers) fetchUntilEnough(ctx context.Context, r *listener.Request, req *kmsg.FetchRequest, parts []*fetching) {
	wait := min(time.Duration(max(req.MaxWaitMillis, 0))*time.Millisecond, maxFetchWait)
	waiting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if wait > 0 {
		timer := h.cfg.Clock.AfterFunc(wait, func() { cancel(errPollOver) })
		defer timer.Stop()
	}
	maxBytes := min(int(req.MaxBytes), h.cfg.FetchMaxBytes)
	minBytes := min(int(req.MinBytes), maxBytes)
	for again := wait > 0 && len(parts) > 0; ; {
		found, failed := h.readAll(ctx, r, parts, maxBytes)
		if !again || failed || found >= minBytes {
			return
		}
		again = awaitRecords(waiting, parts)
		if ctx.Err() != nil {
			return
		}
	}
}

var errPollOver = errors.New("the long poll's time is over")

// readAll reads once what there is. failed says that a partition has an error.
func (h *Handlers) readAll(ctx context.Context, r *listener.Request, parts []*fetching, maxBytes int) (found int, failed bool) {
	for _, f := range parts {
		if f.partition != nil {
			f.clear()
			f.answer.ErrorCode = h.code(r, notLeader(h.read(ctx, f, maxBytes-found, found == 0)))
			found += len(f.answer.RecordBatches)
		}
		failed = failed || f.answer.ErrorCode != 0
	}
	return found, failed
}

// read reads one partition within budget, at least one record if atLeastOne.
func (h *Handlers) read(ctx context.Context, f *fetching, budget int, atLeastOne bool) error {
	log, a, offset := f.partition.Log, &f.answer, f.asked.FetchOffset
	if !log.Leadership().IsLeader {
		return kerr.NotLeaderForPartition
	}
	start, end := log.Bounds() // before reading: what Read leaves out below end is gone for ever
	if offset > end {
		if err := h.barrier(ctx, log); err != nil {
			return err
		}
		start, end = log.Bounds()
	}
	a.LogStartOffset, a.HighWatermark, a.LastStableOffset = start, end, end
	if offset < start || offset > end {
		a.HighWatermark, a.LastStableOffset, a.LogStartOffset = -1, -1, -1 // as Kafka answers
		return kerr.OffsetOutOfRange
	}
	budget = min(budget, int(f.asked.PartitionMaxBytes))
	if offset == end || budget <= 0 && !atLeastOne {
		return nil
	}
	records, err := log.Read(offset, max(budget, 0))
	if err != nil {
		return err
	}
	for len(records) > 0 && records[len(records)-1].Offset >= end { // appended since; the answer says where it ends
		records = records[:len(records)-1]
	}
	if len(records) == 0 {
		a.RecordBatches = emptyBatch(offset, end)
		return nil
	}
	a.RecordBatches = encodeBatches(a.RecordBatches, records, budget, atLeastOne)
	return nil
}

// awaitRecords waits until a partition has a record that was not there when it was read, and says whether to come back once more after that.
func awaitRecords(ctx context.Context, parts []*fetching) (again bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var waits sync.WaitGroup
	var mu sync.Mutex // guards again and broken
	broken := false
	for _, f := range parts {
		if f.partition == nil {
			continue
		}
		waits.Go(func() {
			err := f.partition.Log.Wait(ctx, f.answer.HighWatermark)
			mu.Lock()
			defer mu.Unlock()
			again = again || err == nil
			broken = broken || err != nil && ctx.Err() == nil // a log that cannot wait: look once more, and answer
			cancel()
		})
	}
	waits.Wait()
	return again && !broken
}

// assemble puts partitions into the answer, by topic as in the request.
func assemble(out *kmsg.FetchResponse, req *kmsg.FetchRequest, parts []*fetching) {
	for _, t := range req.Topics {
		rt := kmsg.NewFetchResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for range t.Partitions {
			rt.Partitions = append(rt.Partitions, parts[0].answer)
			parts = parts[1:]
		}
		out.Topics = append(out.Topics, rt)
	}
}

// barrierTimeout is how long a read waits for the proof that this replica leads.
const barrierTimeout = 5 * time.Second

// barrier makes the log's bounds linearizable.
func (h *Handlers) barrier(ctx context.Context, log interface{ ReadBarrier(context.Context) error }) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := h.cfg.Clock.AfterFunc(barrierTimeout, func() { cancel(kerr.RequestTimedOut) })
	defer timer.Stop()
	err := log.ReadBarrier(ctx)
	if err != nil && errors.Is(context.Cause(ctx), kerr.RequestTimedOut) {
		return kerr.RequestTimedOut
	}
	return notLeader(err)
}
