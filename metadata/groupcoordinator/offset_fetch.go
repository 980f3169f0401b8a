package groupcoordinator

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/groupcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// Versions of OffsetFetch from which something holds.
const (
	fetchHasGroupError = 2  // an error of the group has a field of its own
	fetchManyGroups    = 8  // several groups in one request
	fetchByTopicID     = 10 // topics are named by id; whoever translates the id sets Topic, too
)

// offsetFetch answers OffsetFetch, versions 1 to 10. All groups of a request belong to this partition; the broker splits requests. Commits
// are visible once they are replicated, so that require_stable has nothing to add until there are transactions.
func (c *Coordinator) offsetFetch(ctx context.Context, req *kmsg.OffsetFetchRequest) (kmsg.Response, error) {
	groups := req.Groups
	if req.Version < fetchManyGroups {
		groups = []kmsg.OffsetFetchRequestGroup{singleGroup(req)}
	}
	answers := make([]kmsg.OffsetFetchResponseGroup, len(groups))
	r, kerror := c.leadingNow(ctx)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if kerror == nil {
		err := c.view(func(s statestore.Reader) {
			for i := range groups {
				answers[i] = fetchGroup(s, &groups[i], req.Version)
			}
		})
		switch {
		case r.ctx.Err() != nil:
			kerror = r.endedWith()
		case err != nil:
			kerror = r.writeError(ctx, err)
		}
	}
	if kerror != nil {
		for i := range groups {
			answers[i] = fetchError(&groups[i], req.Version, fetchableError(kerror))
		}
	}
	resp := kmsg.NewPtrOffsetFetchResponse()
	if req.Version >= fetchManyGroups {
		resp.Groups = answers
		return resp, nil
	}
	resp.ErrorCode = answers[0].ErrorCode
	resp.Topics = singleTopics(&answers[0])
	return resp, nil
}

// fetchableError: old consumers do not retry an OffsetFetch on COORDINATOR_NOT_AVAILABLE; Kafka tells them to look for the coordinator.
func fetchableError(kerror *kerr.Error) *kerr.Error {
	if kerror == kerr.CoordinatorNotAvailable || kerror == kerr.RequestTimedOut {
		return kerr.NotCoordinator
	}
	return kerror
}

func fetchGroup(s statestore.Reader, g *kmsg.OffsetFetchRequestGroup, version int16) kmsg.OffsetFetchResponseGroup {
	out := kmsg.NewOffsetFetchResponseGroup()
	out.Group = g.Group
	if g.Topics == nil {
		out.Topics = fetchAll(s, g.Group)
		return out
	}
	for i := range g.Topics {
		t := &g.Topics[i]
		ot := kmsg.NewOffsetFetchResponseGroupTopic()
		ot.Topic, ot.TopicID = t.Topic, t.TopicID
		for _, partition := range t.Partitions {
			op := noOffset(partition)
			switch v, committed := state.ReadOffset(s, g.Group, t.Topic, partition); {
			case version >= fetchByTopicID && t.Topic == "":
				op.ErrorCode = kerr.UnknownTopicID.Code
			case committed && !otherTopic(v.TopicID, t.TopicID):
				setOffset(&op, &v)
			}
			ot.Partitions = append(ot.Partitions, op)
		}
		out.Topics = append(out.Topics, ot)
	}
	return out
}

// otherTopic says whether an offset was committed for an earlier topic of the same name.
func otherTopic(committed, asked kafka.TopicID) bool {
	return !committed.IsZero() && !asked.IsZero() && committed != asked
}

func fetchAll(s statestore.Reader, group string) []kmsg.OffsetFetchResponseGroupTopic {
	topics := []kmsg.OffsetFetchResponseGroupTopic{}
	state.ScanOffsets(s, group, func(o state.StoredOffset) bool {
		if n := len(topics); n == 0 || topics[n-1].Topic != o.Topic {
			t := kmsg.NewOffsetFetchResponseGroupTopic()
			t.Topic, t.TopicID = o.Topic, o.Value.TopicID
			topics = append(topics, t)
		}
		p := noOffset(o.Partition)
		setOffset(&p, &o.Value)
		t := &topics[len(topics)-1]
		t.Partitions = append(t.Partitions, p)
		return true
	})
	return topics
}

func noOffset(partition int32) kmsg.OffsetFetchResponseGroupTopicPartition {
	p := kmsg.NewOffsetFetchResponseGroupTopicPartition()
	p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = partition, -1, -1, kmsg.StringPtr("")
	return p
}

func setOffset(p *kmsg.OffsetFetchResponseGroupTopicPartition, v *kmsg.OffsetCommitValue) {
	p.Offset, p.LeaderEpoch, p.Metadata = v.Offset, v.LeaderEpoch, &v.Metadata
}

// fetchError is a group's answer when nothing could be read. The first versions have no field for it but those of the partitions.
func fetchError(g *kmsg.OffsetFetchRequestGroup, version int16, kerror *kerr.Error) kmsg.OffsetFetchResponseGroup {
	out := kmsg.NewOffsetFetchResponseGroup()
	out.Group = g.Group
	if version >= fetchHasGroupError {
		out.ErrorCode = kerror.Code
		return out
	}
	for i := range g.Topics {
		t := kmsg.NewOffsetFetchResponseGroupTopic()
		t.Topic = g.Topics[i].Topic
		for _, partition := range g.Topics[i].Partitions {
			p := noOffset(partition)
			p.ErrorCode = kerror.Code
			t.Partitions = append(t.Partitions, p)
		}
		out.Topics = append(out.Topics, t)
	}
	return out
}

// singleGroup is the one group of an old request.
func singleGroup(req *kmsg.OffsetFetchRequest) kmsg.OffsetFetchRequestGroup {
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = req.Group
	if req.Topics == nil {
		return g
	}
	g.Topics = make([]kmsg.OffsetFetchRequestGroupTopic, 0, len(req.Topics))
	for i := range req.Topics {
		t := kmsg.NewOffsetFetchRequestGroupTopic()
		t.Topic, t.Partitions = req.Topics[i].Topic, req.Topics[i].Partitions
		g.Topics = append(g.Topics, t)
	}
	return g
}

func singleTopics(g *kmsg.OffsetFetchResponseGroup) []kmsg.OffsetFetchResponseTopic {
	topics := make([]kmsg.OffsetFetchResponseTopic, 0, len(g.Topics))
	for i := range g.Topics {
		t := kmsg.NewOffsetFetchResponseTopic()
		t.Topic = g.Topics[i].Topic
		for _, p := range g.Topics[i].Partitions {
			tp := kmsg.NewOffsetFetchResponseTopicPartition()
			tp.Partition, tp.Offset, tp.LeaderEpoch, tp.Metadata, tp.ErrorCode = p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, p.ErrorCode
			t.Partitions = append(t.Partitions, tp)
		}
		topics = append(topics, t)
	}
	return topics
}
