package sim

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// member is a consumer of a group. It reads what it owns and commits as it goes.
type member struct {
	reader
	group      string
	partitions int32 // of the topic
	id         string
	generation int32
	owned      []int32
	leads      bool
	members    []string // when it leads
	consumed   int
}

func (m *member) groupName() string { return string(m.cluster.name) + "/" + m.group }

const sessionTimeout = 6 * time.Second

// run is a member's life until ctx ends.
func (m *member) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := m.generationOnce(ctx)
		if err != nil {
			m.w.trace.Add("member", m.name, err.Error())
			if errors.Is(err, kerr.UnknownMemberID) || errors.Is(err, kerr.FencedInstanceID) {
				m.id = ""
			}
			if !errors.Is(err, kerr.RebalanceInProgress) && !errors.Is(err, kerr.MemberIDRequired) {
				m.backoff(ctx)
			}
		}
	}
	m.disconnect()
}

// generationOnce joins, and reads until something changes.
func (m *member) generationOnce(ctx context.Context) error {
	m.owned = nil
	if err := m.join(ctx); err != nil {
		return err
	}
	if err := m.sync(ctx); err != nil {
		return err
	}
	if err := m.resumeAtCommitted(ctx); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if err := m.heartbeat(ctx); err != nil {
			return err
		}
		for _, p := range m.owned {
			n, err := m.fetch(ctx, p, 100)
			if err != nil && !kerr.IsRetriable(err) {
				m.disconnect()
			}
			m.consumed += n
		}
		if m.random.IntN(3) == 0 {
			if err := m.commit(ctx); err != nil {
				return err
			}
		}
		if m.random.IntN(100) == 0 {
			return m.leave(ctx)
		}
		if sleep(ctx, time.Duration(m.random.Int64N(int64(time.Second)))) != nil {
			break
		}
	}
	return nil
}

func (m *member) join(ctx context.Context) error {
	req := kmsg.NewPtrJoinGroupRequest()
	req.SetVersion(7)
	req.Group, req.MemberID, req.ProtocolType = m.group, m.id, "consumer"
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = int32(sessionTimeout.Milliseconds()), 5000
	protocol := kmsg.NewJoinGroupRequestProtocol()
	protocol.Name = "sim"
	req.Protocols = append(req.Protocols, protocol)
	answer, err := m.doFor(ctx, 20*time.Second, req)
	if err != nil {
		return err
	}
	resp := answer.(*kmsg.JoinGroupResponse)
	if resp.MemberID != "" {
		m.id = resp.MemberID
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return err
	}
	m.generation, m.leads, m.members = resp.Generation, resp.LeaderID == resp.MemberID, nil
	for _, other := range resp.Members {
		m.members = append(m.members, other.MemberID)
	}
	slices.Sort(m.members)
	return nil
}

func (m *member) sync(ctx context.Context) error {
	req := kmsg.NewPtrSyncGroupRequest()
	req.SetVersion(5)
	req.Group, req.MemberID, req.Generation = m.group, m.id, m.generation
	kind, protocol := "consumer", "sim"
	req.ProtocolType, req.Protocol = &kind, &protocol
	if m.leads {
		given := map[string][]byte{}
		for p := range m.partitions {
			to := m.members[int(p)%len(m.members)]
			given[to] = binary.BigEndian.AppendUint32(given[to], uint32(p))
		}
		for _, to := range slices.Sorted(maps.Keys(given)) {
			a := kmsg.NewSyncGroupRequestGroupAssignment()
			a.MemberID, a.MemberAssignment = to, given[to]
			req.GroupAssignment = append(req.GroupAssignment, a)
		}
	}
	answer, err := m.doFor(ctx, 20*time.Second, req)
	if err != nil {
		return err
	}
	resp := answer.(*kmsg.SyncGroupResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return err
	}
	var names []string
	for b := resp.MemberAssignment; len(b) >= 4; b = b[4:] {
		p := int32(binary.BigEndian.Uint32(b))
		m.owned = append(m.owned, p)
		names = append(names, strconv.Itoa(int(p)))
	}
	m.w.trace.Add("owns", m.name, m.generation, fmt.Sprint(m.owned))
	return m.w.check(m.w.history.Owns(m.groupName(), m.id, m.generation, names...))
}

// resumeAtCommitted begins where the group was.
func (m *member) resumeAtCommitted(ctx context.Context) error {
	offsets, err := m.committed(ctx, m.owned)
	if err != nil {
		return err
	}
	for p, o := range offsets {
		m.seek(p, max(o, 0))
	}
	return nil
}

// committed asks for committed offsets, and holds the answer against what was acknowledged before.
func (m *member) committed(ctx context.Context, partitions []int32) (map[int32]int64, error) {
	if len(partitions) == 0 {
		return nil, nil
	}
	req := kmsg.NewPtrOffsetFetchRequest()
	req.SetVersion(7)
	req.Group = m.group
	topic := kmsg.NewOffsetFetchRequestTopic()
	topic.Topic, topic.Partitions = m.topic, partitions
	req.Topics = append(req.Topics, topic)
	least := map[int32]int64{}
	for _, p := range partitions {
		least[p] = m.w.history.CommittedAt(m.groupName(), strconv.Itoa(int(p)))
	}
	answer, err := m.do(ctx, req)
	if err != nil {
		return nil, err
	}
	resp := answer.(*kmsg.OffsetFetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, err
	}
	offsets := map[int32]int64{}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, err
			}
			offsets[p.Partition] = p.Offset
			if err := m.w.check(m.w.history.Fetched(m.groupName(), m.generation, strconv.Itoa(int(p.Partition)), least[p.Partition], max(0, p.Offset))); err != nil {
				return nil, err
			}
		}
	}
	if len(offsets) != len(partitions) {
		return nil, m.w.violation("%s: asked for the offsets of %d partitions, got %d", m.name, len(partitions), len(offsets))
	}
	return offsets, nil
}

func (m *member) heartbeat(ctx context.Context) error {
	req := kmsg.NewPtrHeartbeatRequest()
	req.SetVersion(4)
	req.Group, req.MemberID, req.Generation = m.group, m.id, m.generation
	answer, err := m.do(ctx, req)
	if err != nil {
		return nil // the next one tells
	}
	err = kerr.ErrorForCode(answer.(*kmsg.HeartbeatResponse).ErrorCode)
	if err != nil && kerr.IsRetriable(err) && !errors.Is(err, kerr.RebalanceInProgress) {
		return nil
	}
	return err
}

func (m *member) commit(ctx context.Context) error {
	if len(m.owned) == 0 {
		return nil
	}
	req := kmsg.NewPtrOffsetCommitRequest()
	req.SetVersion(8)
	req.Group, req.MemberID, req.Generation = m.group, m.id, m.generation
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic = m.topic
	at := map[int32]int64{}
	for _, p := range m.owned {
		at[p] = m.next[p]
		partition := kmsg.NewOffsetCommitRequestTopicPartition()
		partition.Partition, partition.Offset = p, m.next[p]
		topic.Partitions = append(topic.Partitions, partition)
	}
	req.Topics = append(req.Topics, topic)
	answer, err := m.do(ctx, req)
	if err != nil {
		return nil // its outcome is unknown; the next commit says more
	}
	for _, t := range answer.(*kmsg.OffsetCommitResponse).Topics {
		for _, p := range t.Partitions {
			switch err := kerr.ErrorForCode(p.ErrorCode); {
			case err == nil:
				if err := m.w.check(m.w.history.Committed(m.groupName(), m.generation, strconv.Itoa(int(p.Partition)), at[p.Partition])); err != nil {
					return err
				}
			case errors.Is(err, kerr.RebalanceInProgress), !kerr.IsRetriable(err):
				return err
			}
		}
	}
	m.w.trace.Add("committed", m.name, fmt.Sprint(at))
	return nil
}

func (m *member) leave(ctx context.Context) error {
	req := kmsg.NewPtrLeaveGroupRequest()
	req.SetVersion(2)
	req.Group, req.MemberID = m.group, m.id
	_, err := m.do(ctx, req)
	m.id = ""
	m.w.trace.Add("leaves", m.name)
	return err
}
