package raftlog

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// changeMember changes one member through whoever leads, waiting for a learner that has to catch up.
func (c *cluster) changeMember(group uint64, kind ChangeKind, id int32) {
	c.t.Helper()
	for range 600 {
		err := c.nodes[c.leader(group)].ChangeMembers(c.t.Context(), group, MemberChange{kind, id})
		if err == nil {
			return
		}
		if !errors.Is(err, ErrNotCaughtUp) && !errors.Is(err, ErrChangePending) {
			c.t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	c.t.Fatalf("%v of node %d was not made within a minute", kind, id)
}

func (c *cluster) awaitSealed(group uint64) {
	c.t.Helper()
	for range 600 {
		if c.status(c.leader(group), group).Sealed {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	c.t.Fatal("the change was not sealed within a minute")
}

// TestChangesOfMembersCountAfterAllCrash: the members change and nothing else is written. Then all nodes crash at once, and one does not come back: the others must go on.
func TestChangesOfMembersCountAfterAllCrash(t *testing.T) {
	for name, voters := range map[string][]int32{"from one": {1}, "one is replaced": {1, 2, 3}} {
		for lost := int32(2); lost <= 4; lost++ {
			t.Run(fmt.Sprint(name, ", lost ", lost), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newCluster(t, nil, 1, 2, 3, 4)
					c.start(7, voters...)
					c.commit(7, "a")
					for id := int32(len(voters)) + 1; id <= 4; id++ {
						c.start1(id, 7)
						c.changeMember(7, AddLearner, id)
						c.changeMember(7, Promote, id)
					}
					if c.leader(7) == 1 {
						if err := c.nodes[1].TransferLeadership(t.Context(), 7, 2); err != nil {
							t.Fatal(err)
						}
					}
					c.changeMember(7, Remove, 1)
					c.awaitSealed(7)
					c.awaitCondition(1, Removed)
					if err := c.nodes[1].RemoveGroup(7); err != nil {
						t.Fatal(err)
					}
					for id := int32(2); id <= 4; id++ {
						c.crash(id)
					}
					for id := int32(2); id <= 4; id++ {
						if id != lost {
							c.open(id)
							c.start1(id, 7)
						}
					}
					delete(c.nodes, lost)
					c.commit(7, "b")
				})
			})
		}
	}
}
