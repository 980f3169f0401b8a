package raftlog

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// batches is how many batches of commands a node has applied.
func (c *cluster) batches(id int32) int {
	c.t.Helper()
	var m dto.Metric
	if err := c.nodes[id].metrics.applySeconds.Write(&m); err != nil {
		c.t.Fatal(err)
	}
	return int(m.GetHistogram().GetSampleCount())
}

// A follower applies what comes fast in few batches, the first command at once and the last after a pause; what comes alone it applies at once. One that is to lead does not pause.
func TestFollowersCollectWhatTheyApply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil, 1, 2, 3)
		c.start(5, 1, 2, 3)
		leader := c.leader(5)
		followers := []int32{leader%3 + 1, (leader+1)%3 + 1}
		time.Sleep(time.Second)
		before := map[int32]int{}
		for _, id := range c.ids() {
			before[id] = c.batches(id)
		}
		const commands = 200
		for range commands {
			c.commit(5, "x")
			time.Sleep(time.Millisecond)
		}
		if n := c.batches(leader) - before[leader]; n != commands {
			t.Errorf("the leader applied %d commands, each of which is waited for, in %d batches", commands, n)
		}
		for _, id := range followers {
			if n, most := c.batches(id)-before[id], int(commands*time.Millisecond/followerPause)+2; n > most {
				t.Errorf("node %d, a follower, applied in %d batches what comes in %d pauses", id, n, most)
			}
		}
		time.Sleep(followerPause + 10*time.Millisecond)
		synctest.Wait()
		for _, id := range followers {
			if applied, wanted := c.status(id, 5).Applied, c.status(leader, 5).Applied; applied != wanted {
				t.Errorf("after a pause node %d has applied %d of %d", id, applied, wanted)
			}
		}

		time.Sleep(time.Second)
		c.commit(5, "alone")
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		for _, id := range followers {
			if applied, wanted := c.status(id, 5).Applied, c.status(leader, 5).Applied; applied != wanted {
				t.Errorf("what comes alone is applied on node %d up to %d of %d", id, applied, wanted)
			}
		}

		// Who reads a topic on a follower is not kept waiting.
		reading, stop := context.WithCancel(t.Context())
		defer stop()
		var reader sync.WaitGroup
		reader.Go(func() {
			log := c.log(followers[1], 5)
			for _, next := log.Bounds(); log.Wait(reading, next) == nil; _, next = log.Bounds() {
			}
		})
		synctest.Wait()
		for range 3 {
			c.commit(5, "read")
			time.Sleep(2 * time.Millisecond)
			synctest.Wait()
			_, shown := c.log(followers[1], 5).Bounds()
			if _, wanted := c.log(leader, 5).Bounds(); shown != wanted {
				t.Errorf("a reader on node %d sees records up to %d of %d", followers[1], shown, wanted)
			}
		}
		stop()
		reader.Wait()

		c.commit(5, "a")
		c.commit(5, "b")
		began := time.Now()
		if err := c.nodes[leader].TransferLeadership(t.Context(), 5, followers[0]); err != nil {
			t.Fatal(err)
		}
		for !c.log(followers[0], 5).Leadership().IsLeader && time.Since(began) < followerPause {
			time.Sleep(time.Millisecond)
		}
		if took := time.Since(began); took >= followerPause/2 {
			t.Errorf("the next leader paused for %s before it led", took)
		}
	})
}
