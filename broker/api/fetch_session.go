package api

import (
	"container/list"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/internal/clock"
)

// Fetch sessions (KIP-227): a client names its partitions once; later requests and answers carry only what changed. As in Kafka a session is not locked while
// a Fetch waits: a request that comes meanwhile with the old epoch is refused at once, and one with the next epoch makes the waiting one stale.

const (
	firstWithSessions   = 7
	firstWithTopicIDs   = 13
	initialSessionEpoch = 0
	finalSessionEpoch   = -1
	minSessionEviction  = 2 * time.Minute // as Kafka's min.incremental.fetch.session.eviction.ms
	// maxSessionPartitions bounds what a client can make a broker remember. One with more partitions names them all in each request.
	maxSessionPartitions = 1 << 16
)

// sessionKey names a partition as the client does: by topic id since v13, before by name.
type sessionKey struct {
	topicID   [16]byte
	topic     string
	partition int32
}

// askedPartition is what a client wants of one partition. It keeps nothing of the request's frame.
type askedPartition struct {
	key         sessionKey
	offset      int64
	maxBytes    int32
	leaderEpoch int32
	lastFetched int32 // the leader epoch of the last record that the client has
}

// sessionPartition is what a session remembers of one partition: what was asked and what was last told.
type sessionPartition struct {
	asked     askedPartition
	highWater int64 // -1 after an error: the partition is told again when the error is gone
	logStart  int64
}

// fetchSession has its partitions in the order in which they are served; one that gave records goes to the end, so that none starves.
type fetchSession struct {
	id   int32
	byID bool // names topics by id

	mu    sync.Mutex // guards what follows
	epoch int32      // of the next request
	order *list.List // of *sessionPartition
	index map[sessionKey]*list.Element

	lastUsed time.Time // guarded by fetchSessions.mu
}

// fetchSessions bounds the sessions of a broker.
type fetchSessions struct {
	clock clock.Clock
	max   int
	newID func() int32 // called under mu

	mu   sync.Mutex // guards what follows; held alone or while a session's mu is taken, never the other way round
	byID map[int32]*fetchSession
}

func newFetchSessions(limit int, c clock.Clock, newID func() int32) *fetchSessions {
	return &fetchSessions{clock: c, max: limit, newID: newID, byID: map[int32]*fetchSession{}}
}

// fetchContext is one request from begin to end.
type fetchContext struct {
	partitions []askedPartition
	session    *fetchSession // of an incremental request
	epoch      int32         // that the session must still have at the end
	create     bool          // a full request: a session is made with the answer
	byID       bool
}

// begin finds what a request fetches: its own partitions, or those of its session.
func (s *fetchSessions) begin(req *kmsg.FetchRequest) (*fetchContext, *kerr.Error) {
	asked := askedPartitions(req)
	if req.Version < firstWithSessions {
		return &fetchContext{partitions: onceEach(asked)}, nil
	}
	if req.SessionEpoch == initialSessionEpoch || req.SessionEpoch == finalSessionEpoch {
		s.remove(req.SessionID) // a full request ends the session that it names
		asked = onceEach(asked)
		create := req.SessionEpoch == initialSessionEpoch && len(asked) > 0 && len(asked) <= maxSessionPartitions
		return &fetchContext{partitions: asked, create: create, byID: req.Version >= firstWithTopicIDs}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	session := s.byID[req.SessionID]
	if session == nil {
		return nil, kerr.FetchSessionIDNotFound
	}
	session.mu.Lock()
	defer session.mu.Unlock()
	switch {
	case session.epoch != req.SessionEpoch:
		return nil, kerr.InvalidFetchSessionEpoch
	case session.byID != (req.Version >= firstWithTopicIDs):
		return nil, kerr.FetchSessionTopicIDError
	}
	session.update(asked, req.ForgottenTopics)
	switch n := session.order.Len(); {
	case n == 0: // nothing is left: as Kafka, the session ends, and the answer has no session
		delete(s.byID, session.id)
		return &fetchContext{}, nil
	case n > maxSessionPartitions:
		delete(s.byID, session.id)
		return nil, kerr.FetchSessionIDNotFound // the client begins anew with a full request, which gets no session
	}
	session.lastUsed = s.clock.Now()
	session.epoch = nextSessionEpoch(session.epoch)
	return &fetchContext{partitions: session.partitions(), session: session, epoch: session.epoch, byID: session.byID}, nil
}

// end says which partitions the answer names, and the id of its session, 0 for none. alive says that there is a client to use a new one.
func (s *fetchSessions) end(fc *fetchContext, parts []fetched, alive bool) (told []*fetched, id int32, refused *kerr.Error) {
	if fc.session == nil {
		if fc.create && alive {
			id = s.create(fc.byID, parts)
		}
		for i := range parts {
			told = append(told, &parts[i])
		}
		return told, id, nil
	}
	f := fc.session
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.epoch != fc.epoch { // a later request of the session overtook this one
		return nil, f.id, kerr.InvalidFetchSessionEpoch
	}
	for i := range parts {
		if f.changed(&parts[i]) {
			told = append(told, &parts[i])
		}
	}
	return told, f.id, nil
}

// create makes a session from a full request and its answer. It returns 0 when all slots are taken by sessions in use.
func (s *fetchSessions) create(byID bool, parts []fetched) int32 {
	session := &fetchSession{epoch: nextSessionEpoch(initialSessionEpoch), byID: byID, order: list.New(), index: make(map[sessionKey]*list.Element, len(parts))}
	for i := range parts {
		session.put(parts[i].asked)
	}
	for i := range parts {
		session.changed(&parts[i]) // remembers what this answer tells, and puts those with records behind the others
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	session.lastUsed = s.clock.Now()
	if len(s.byID) >= s.max && !s.evict(session.lastUsed) {
		return 0
	}
	for session.id == 0 || s.byID[session.id] != nil {
		session.id = s.newID()
	}
	s.byID[session.id] = session
	return session.id
}

// evict removes the session that was longest unused, if it was unused long enough.
func (s *fetchSessions) evict(now time.Time) bool {
	var oldest *fetchSession
	for _, f := range s.byID { // the least of a total order: the map's own does not show
		if oldest == nil || f.lastUsed.Before(oldest.lastUsed) || (f.lastUsed.Equal(oldest.lastUsed) && f.id < oldest.id) {
			oldest = f
		}
	}
	if oldest == nil || now.Sub(oldest.lastUsed) <= minSessionEviction {
		return false
	}
	delete(s.byID, oldest.id)
	return true
}

func (s *fetchSessions) remove(id int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, id)
}

func nextSessionEpoch(epoch int32) int32 {
	if epoch == 1<<31-1 {
		return 1
	}
	return epoch + 1
}

func askedPartitions(req *kmsg.FetchRequest) (out []askedPartition) {
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			p := &t.Partitions[j]
			out = append(out, askedPartition{sessionKey{t.TopicID, t.Topic, p.Partition}, p.FetchOffset, p.PartitionMaxBytes, p.CurrentLeaderEpoch, p.LastFetchedEpoch})
		}
	}
	return out
}

// onceEach leaves each partition once: as in Kafka in the first of its places, with what the last one asks.
func onceEach(asked []askedPartition) []askedPartition {
	if len(asked) < 2 {
		return asked
	}
	at := make(map[sessionKey]int, len(asked))
	once := asked[:0]
	for _, p := range asked {
		if i, twice := at[p.key]; twice {
			once[i] = p
			continue
		}
		at[p.key] = len(once)
		once = append(once, p)
	}
	return once
}

// update adds and changes partitions, and forgets those that the client is done with.
func (f *fetchSession) update(asked []askedPartition, forgotten []kmsg.FetchRequestForgottenTopic) {
	for _, p := range asked {
		f.put(p)
	}
	for _, t := range forgotten {
		for _, p := range t.Partitions {
			key := sessionKey{t.TopicID, t.Topic, p}
			if e := f.index[key]; e != nil {
				f.order.Remove(e)
				delete(f.index, key)
			}
		}
	}
}

func (f *fetchSession) put(p askedPartition) {
	if e := f.index[p.key]; e != nil {
		e.Value.(*sessionPartition).asked = p
		return
	}
	f.index[p.key] = f.order.PushBack(&sessionPartition{asked: p, highWater: -1, logStart: -1})
}

// partitions are the session's partitions in serving order, as copies: the next request may change them while this one waits.
func (f *fetchSession) partitions() []askedPartition {
	out := make([]askedPartition, 0, f.order.Len())
	for e := f.order.Front(); e != nil; e = e.Next() {
		out = append(out, e.Value.(*sessionPartition).asked)
	}
	return out
}

// changed says whether an incremental answer must name the partition, and remembers what it says.
func (f *fetchSession) changed(told *fetched) bool {
	e := f.index[told.asked.key]
	if e == nil {
		return false
	}
	p, a := e.Value.(*sessionPartition), &told.answer
	records := len(told.records) > 0
	must := records || a.ErrorCode != 0 || a.PreferredReadReplica >= 0 || p.highWater != a.HighWatermark || p.logStart != a.LogStartOffset
	p.highWater, p.logStart = a.HighWatermark, a.LogStartOffset
	if a.ErrorCode != 0 {
		p.highWater = -1
	}
	if records {
		f.order.MoveToBack(e)
	}
	return must
}
