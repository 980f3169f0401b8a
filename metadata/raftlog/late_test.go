package raftlog

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// threeReplicas are group 7 with its first command, and one of its followers.
func threeReplicas(t *testing.T) (c *cluster, follower int32) {
	c = newCluster(t, nil, 1, 2, 3)
	c.start(7, 1, 2, 3)
	c.commit(7, "a")
	return c, c.leader(7)%3 + 1
}

// TestLateMessagesOfAFormerLife: a replica is removed with its state and comes back with nothing. What was said to it, or what it said, before that arrives only then.
func TestLateMessagesOfAFormerLife(t *testing.T) {
	for _, kind := range []pb.MessageType{pb.MsgHeartbeat, pb.MsgAppResp} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, back := threeReplicas(t)
				var mu sync.Mutex
				var late *pb.Message
				c.setDrop(func(from, to int32, m Message) bool {
					mu.Lock()
					defer mu.Unlock()
					if m.Group == 7 && m.Raft.GetType() == kind && (from == back || to == back) && max(m.Raft.GetCommit(), m.Raft.GetIndex()) > firstIndex && !m.Raft.GetReject() && len(m.Raft.GetContext()) == 0 {
						late = proto.Clone(m.Raft).(*pb.Message)
					}
					return false
				})
				c.commit(7, "b")
				time.Sleep(time.Second)
				mu.Lock()
				sent := late
				mu.Unlock()
				if sent == nil {
					t.Fatal("there was no such message")
				}
				c.setDrop(nil)
				c.changeMember(7, Remove, back)
				c.awaitCondition(back, Removed)
				if err := c.nodes[back].RemoveGroup(7); err != nil {
					t.Fatal(err)
				}
				c.start1(back, 7)
				c.setDrop(func(from, to int32, _ Message) bool { return from == back || to == back })
				c.changeMember(7, AddLearner, back)
				c.nodes[NodeOf(sent.GetTo())].Step(Message{Group: 7, Raft: sent})
				time.Sleep(time.Second)
				c.setDrop(nil)
				c.changeMember(7, Promote, back)
				c.commit(7, "c")
				c.agree(7, 1, 2, 3)
				if list, _ := c.nodes[back].Conditions(); len(list) != 0 {
					t.Fatal(list)
				}
			})
		})
	}
}

// TestLateMessageToARemovedReplica: what a leader said before it applied a removal may arrive after the replica has applied it, and is the last that it says.
func TestLateMessageToARemovedReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, removed := threeReplicas(t)
		leader := c.leader(7)
		c.changeMember(7, Remove, removed)
		c.awaitCondition(removed, Removed)
		from, to, term := raftID(leader), raftID(removed), c.status(leader, 7).Term
		c.nodes[removed].Step(Message{Group: 7, Raft: &pb.Message{Type: pb.MsgHeartbeat.Enum(), From: &from, To: &to, Term: &term}})
		synctest.Wait()
		if list, _ := c.nodes[removed].Conditions(); len(list) != 0 {
			t.Fatalf("%v: a leader was heard", list)
		}
		c.awaitCondition(removed, Removed)
	})
}
