package soak

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const groupName = "readers"

// member reads the topics as one of a group, commits, and checks each record and each gap.
type member struct {
	s      *soak
	name   string
	client *kgo.Client

	mu   sync.Mutex // guards next: offsets of what it is assigned, without those that it was not given yet
	next map[string]map[int32]int64
}

func (s *soak) newMember(id int) (*member, error) {
	m := &member{s: s, name: fmt.Sprintf("member %d", id), next: map[string]map[int32]int64{}}
	var names []string
	for _, t := range s.topics {
		names = append(names, t.name)
	}
	forget := func(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
		m.mu.Lock()
		defer m.mu.Unlock()
		for topic, partitions := range lost {
			for _, p := range partitions {
				delete(m.next[topic], p)
			}
		}
	}
	var err error
	m.client, err = s.newClient(kgo.ConsumeTopics(names...), kgo.ConsumerGroup(groupName), kgo.DisableAutoCommit(), kgo.SessionTimeout(30*time.Second),
		kgo.HeartbeatInterval(time.Second), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.BlockRebalanceOnPoll(), kgo.OnPartitionsRevoked(forget), kgo.OnPartitionsLost(forget))
	return m, err
}

// run reads until ctx ends.
func (m *member) run(ctx context.Context) {
	for ctx.Err() == nil {
		poll, cancel := context.WithTimeout(ctx, 2*time.Second)
		fetches := m.client.PollRecords(poll, 2000)
		cancel()
		fetches.EachRecord(func(r *kgo.Record) {
			m.s.model.seen(m.name, r)
			m.follow(r)
			m.s.groupRecords.Add(1)
		})
		attempt, cancel := context.WithTimeout(ctx, 3*time.Second)
		// A commit of a generation that is over is refused, and the next owner reads the records again.
		_ = m.client.CommitUncommittedOffsets(attempt)
		cancel()
		m.client.AllowRebalance()
	}
}

func (m *member) follow(r *kgo.Record) {
	m.mu.Lock()
	if m.next[r.Topic] == nil {
		m.next[r.Topic] = map[int32]int64{}
	}
	next, known := m.next[r.Topic][r.Partition]
	m.next[r.Topic][r.Partition] = r.Offset + 1
	m.mu.Unlock()
	switch {
	case !known:
	case r.Offset < next:
		m.s.model.violated("%s: %s-%d went back from %d to %d", m.name, r.Topic, r.Partition, next, r.Offset)
	case r.Offset > next:
		m.s.model.skipped(m.name, r.Topic, r.Partition, next, r.Offset)
	}
}

// groupLag is how many offsets the group has not committed yet.
func (s *soak) groupLag(ctx context.Context) (lag int64, err error) {
	client, err := s.newClient()
	if err != nil {
		return 0, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	var names []string
	for _, t := range s.topics {
		names = append(names, t.name)
	}
	ends, err := admin.ListEndOffsets(ctx, names...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return 0, err
	}
	starts, err := admin.ListStartOffsets(ctx, names...)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return 0, err
	}
	offsets, err := admin.FetchOffsets(ctx, groupName)
	if err == nil {
		err = offsets.Error()
	}
	if err != nil {
		return 0, err
	}
	ends.Each(func(end kadm.ListedOffset) {
		committed, _ := offsets.Lookup(end.Topic, end.Partition)
		start, _ := starts.Lookup(end.Topic, end.Partition)
		lag += end.Offset - max(committed.At, start.Offset)
	})
	return lag, nil
}
