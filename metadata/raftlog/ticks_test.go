package raftlog

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"
)

// TestReplayedElections: with the same seeds the same node wins, at the same moment.
func TestReplayedElections(t *testing.T) {
	var first string
	for range 3 {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, nil, 1, 2, 3)
			for _, node := range c.ids() {
				for id := range uint64(8) {
					if _, err := c.nodes[node].StartGroup(c.config(node, id+1, c.ids())); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(10 * time.Millisecond) // no two nodes tick at once: whether a message of that moment comes before or after the tick is no seed's choice
			}
			time.Sleep(1020 * time.Millisecond) // between two ticks
			c.connect(1, false)
			began := time.Now()
			var told string
			for id := range uint64(8) {
				c.commit(id+1, "a")
				told += fmt.Sprint(id, ":", c.leader(id+1), " ")
			}
			told += fmt.Sprint(time.Since(began).Round(100 * time.Millisecond))
			if first == "" {
				first = told
			}
			if told != first {
				t.Fatalf("%s\n%s", first, told)
			}
		})
	}
}

// TestElectionsKeepApart: replicas that count the ticks of their leader's silence differently by one do not campaign at once, and the first finds no lease.
func TestElectionsKeepApart(t *testing.T) {
	const ticks = 10
	voters := []uint64{raftID(1), raftID(2), raftID(3)}
	for id := range uint64(30) {
		var drawn [2][]int // of the two followers
		for i := range drawn {
			cfg := Config{NodeID: int32(i + 2), ElectionTicks: ticks}
			g := &group{id: id, node: &Node{cfg: cfg}, conf: &pb.ConfState{Voters: voters}, lastLead: voters[0], timeouts: rand.New(rand.NewPCG(uint64(i), id))}
			for range 50 {
				g.drawTimeout()
				drawn[i] = append(drawn[i], g.timeout)
			}
			slices.Sort(drawn[i])
		}
		if drawn[0][0] > drawn[1][0] {
			drawn[0], drawn[1] = drawn[1], drawn[0]
		}
		first, last := drawn[0], drawn[1]
		if first[0] <= ticks || first[len(first)-1]+1 >= last[0] || last[len(last)-1] >= 2*ticks {
			t.Fatalf("group %d: one follower campaigns after %d to %d ticks, the other after %d to %d", id, first[0], first[len(first)-1], last[0], last[len(last)-1])
		}
	}
}
