package api

import (
	"container/list"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/internal/clock"
)

// Fetch sessions (KIP-227): a client names its partitions once; later requests and answers carry only what changed.

const (
	initialSessionEpoch = 0
	finalSessionEpoch   = -1
	minSessionEviction  = 2 * time.Minute // as Kafka's min.incremental.fetch.session.eviction.ms
)

// sessionKey names a partition as the client does: by topic id since v13, before by name.
type sessionKey struct {
	topicID   [16]byte
	topic     string
	partition int32
}

// sessionPartition is what a session remembers of one partition: what was asked and what was last told.
type sessionPartition struct {
	key       sessionKey
	request   kmsg.FetchRequestTopicPartition
	told      bool
	highWater int64
	logStart  int64
}

// fetchSession has its partitions in the order in which they are served; one that gave records goes to the end, so that none starves.
// A session is used by one request at a time; a second one at once has a wrong epoch, and mu keeps it safe.
type fetchSession struct {
	mu       sync.Mutex
	id       int32
	epoch    int32
	byID     bool // names topics by id
	order    *list.List
	index    map[sessionKey]*list.Element
	lastUsed time.Time // guarded by fetchSessions.mu
}

// fetchSessions bounds the sessions of a broker.
type fetchSessions struct {
	clock clock.Clock
	max   int
	newID func() int32 // called under mu

	mu   sync.Mutex // guards what follows; taken after fetchSession.mu or alone
	byID map[int32]*fetchSession
}

func newFetchSessions(limit int, c clock.Clock, newID func() int32) *fetchSessions {
	return &fetchSessions{clock: c, max: limit, newID: newID, byID: map[int32]*fetchSession{}}
}

// create makes a session from a full request, or returns nil when all slots are taken by sessions in use.
func (s *fetchSessions) create(req *kmsg.FetchRequest) *fetchSession {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	if len(s.byID) >= s.max && !s.evict(now) {
		return nil
	}
	session := &fetchSession{epoch: 1, byID: req.Version >= 13, order: list.New(), index: map[sessionKey]*list.Element{}, lastUsed: now}
	session.update(req)
	for session.id == 0 || s.byID[session.id] != nil {
		session.id = s.newID()
	}
	s.byID[session.id] = session
	return session
}

// evict removes the session that was longest unused, if it was unused long enough.
func (s *fetchSessions) evict(now time.Time) bool {
	var oldest *fetchSession
	for _, f := range s.byID {
		if oldest == nil || f.lastUsed.Before(oldest.lastUsed) {
			oldest = f
		}
	}
	if oldest == nil || now.Sub(oldest.lastUsed) < minSessionEviction {
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

// use finds the session of an incremental request and locks it for the request; the caller unlocks it.
func (s *fetchSessions) use(req *kmsg.FetchRequest) (*fetchSession, *kerr.Error) {
	s.mu.Lock()
	session := s.byID[req.SessionID]
	if session != nil {
		session.lastUsed = s.clock.Now()
	}
	s.mu.Unlock()
	if session == nil {
		return nil, kerr.FetchSessionIDNotFound
	}
	session.mu.Lock()
	switch {
	case session.byID != (req.Version >= 13):
		session.mu.Unlock()
		return nil, kerr.FetchSessionTopicIDError
	case session.epoch != req.SessionEpoch:
		session.mu.Unlock()
		return nil, kerr.InvalidFetchSessionEpoch
	}
	session.epoch = nextSessionEpoch(session.epoch)
	session.update(req)
	return session, nil
}

func nextSessionEpoch(epoch int32) int32 {
	if epoch == 1<<31-1 {
		return 1
	}
	return epoch + 1
}

// update adds, changes and forgets partitions as req says.
func (f *fetchSession) update(req *kmsg.FetchRequest) {
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			key := sessionKey{t.TopicID, t.Topic, p.Partition}
			if e := f.index[key]; e != nil {
				e.Value.(*sessionPartition).request = p
			} else {
				f.index[key] = f.order.PushBack(&sessionPartition{key: key, request: p})
			}
		}
	}
	for _, t := range req.ForgottenTopics {
		for _, p := range t.Partitions {
			key := sessionKey{t.TopicID, t.Topic, p}
			if e := f.index[key]; e != nil {
				f.order.Remove(e)
				delete(f.index, key)
			}
		}
	}
}

// partitions are the session's partitions in serving order.
func (f *fetchSession) partitions() []*sessionPartition {
	out := make([]*sessionPartition, 0, f.order.Len())
	for e := f.order.Front(); e != nil; e = e.Next() {
		out = append(out, e.Value.(*sessionPartition))
	}
	return out
}

// changed says whether an incremental answer must name the partition, and remembers what it says.
func (f *fetchSession) changed(p *sessionPartition, rp *kmsg.FetchResponseTopicPartition, records bool) bool {
	must := records || rp.ErrorCode != 0 || rp.PreferredReadReplica >= 0 || !p.told || p.highWater != rp.HighWatermark || p.logStart != rp.LogStartOffset
	p.told, p.highWater, p.logStart = rp.ErrorCode == 0, rp.HighWatermark, rp.LogStartOffset
	if records {
		if e := f.index[p.key]; e != nil {
			f.order.MoveToBack(e)
		}
	}
	return must
}
