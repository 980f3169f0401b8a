package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/rpc"
)

// DescribeQuorum v0-2 of __cluster_metadata, on every node. The leader epoch and the offsets are the Raft log's term and indexes, which is what its replicas are measured
// by; learners are Kafka's observers.
var _ = register(kmsg.DescribeQuorum, 0, 2, (*Handlers).describeQuorum)

const clusterMetadata = "__cluster_metadata"

func (h *Handlers) describeQuorum(ctx context.Context, r *listener.Request, req *kmsg.DescribeQuorumRequest) kmsg.Response {
	out := req.ResponseKind().(*kmsg.DescribeQuorumResponse)
	refuse := func(e *kerr.Error) kmsg.Response {
		out.ErrorCode, out.ErrorMessage = e.Code, kmsg.StringPtr(e.Description)
		return out
	}
	switch {
	case !h.isAdmin(r):
		return refuse(kerr.ClusterAuthorizationFailed)
	case h.cfg.Quorum == nil || len(req.Topics) != 1 || req.Topics[0].Topic != clusterMetadata || len(req.Topics[0].Partitions) != 1 || req.Topics[0].Partitions[0].Partition != 0:
		return refuse(kerr.UnknownTopicOrPartition)
	}
	rt := kmsg.NewDescribeQuorumResponseTopic()
	rt.Topic = clusterMetadata
	rt.Partitions = append(rt.Partitions, h.quorumPartition(ctx, r))
	out.Topics = append(out.Topics, rt)
	if req.Version >= 2 {
		for _, n := range h.cfg.Nodes() {
			rn := kmsg.NewDescribeQuorumResponseNode()
			rn.NodeID = n.ID
			rl := kmsg.NewDescribeQuorumResponseNodeListener()
			rl.Name, rl.Host, rl.Port = r.Conn.Listener, n.Host, uint16(n.Port)
			rn.Listeners = append(rn.Listeners, rl)
			out.Nodes = append(out.Nodes, rn)
		}
	}
	return out
}

func (h *Handlers) quorumPartition(ctx context.Context, r *listener.Request) kmsg.DescribeQuorumResponseTopicPartition {
	rp := kmsg.NewDescribeQuorumResponseTopicPartition()
	rp.LeaderID = -1
	group, err := h.cfg.Quorum(ctx)
	if err != nil {
		rp.ErrorCode = h.code(r, notLeader(err))
		rp.ErrorMessage = kmsg.StringPtr(kafka.ErrorOf(err).Description)
		return rp
	}
	rp.LeaderID, rp.LeaderEpoch, rp.HighWatermark = group.Leader, int32(group.Term), group.Commit+1
	now := h.cfg.Clock.Now().UnixMilli()
	for _, replica := range group.Replicas {
		s := quorumReplica(replica, now)
		if replica.Learner {
			rp.Observers = append(rp.Observers, s)
		} else {
			rp.CurrentVoters = append(rp.CurrentVoters, s)
		}
	}
	return rp
}

// quorumReplica is one replica. Kafka's offsets are those of the next record, so an index counts as one more. A replica that has caught up did so just now.
func quorumReplica(replica rpc.GroupReplica, now int64) kmsg.DescribeQuorumResponseTopicPartitionReplicaState {
	s := kmsg.NewDescribeQuorumResponseTopicPartitionReplicaState()
	s.ReplicaID, s.LogEndOffset = replica.Node, replica.LogEnd+1
	s.LastFetchTimestamp, s.LastCaughtUpTimestamp = -1, -1
	if replica.LastContactMillis > 0 {
		s.LastFetchTimestamp = replica.LastContactMillis
		if replica.InSync {
			s.LastCaughtUpTimestamp = min(replica.LastContactMillis, now)
		}
	}
	return s
}
