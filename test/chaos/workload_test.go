package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// workload is what the clients of one cluster do.
type workload struct {
	h         *history
	bootstrap string
	writers   [producers]*producer
	tail      *tail
	group     *group
}

func (s *system) startWorkload(cluster int, seed uint64, l load) *workload {
	w := &workload{h: newHistory(s.t), bootstrap: s.bootstrap(cluster)}
	w.h.cluster, w.h.load, w.h.began = clusterNames[cluster], l, s.began
	createTopic(s.t, w.bootstrap)
	for i := range w.writers {
		w.writers[i] = startProducer(s.t, w.h, w.bootstrap, i, rand.New(rand.NewPCG(seed, uint64(cluster*producers+i)+1)))
	}
	w.tail = startTail(s.t, w.h, w.bootstrap)
	w.group = startGroup(s.t, w.h, w.bootstrap, "readers", 2)
	return w
}

// awaitAcks waits until so many more records are acknowledged.
func (w *workload) awaitAcks(ctx context.Context, more int) error {
	before := w.h.acks()
	for w.h.acks() < before+more {
		if !sleep(ctx, 10*time.Millisecond) {
			return fmt.Errorf("cluster %s: %d records acknowledged, %d before", w.h.cluster, w.h.acks(), before)
		}
	}
	return nil
}

// awaitCommits waits until the group has read and committed as far as everything was acknowledged now.
func (w *workload) awaitCommits(ctx context.Context) error {
	target := w.tail.at()
	for {
		at := w.group.at()
		behind := false
		for p := range target {
			behind = behind || at[p] < target[p]
		}
		if !behind {
			return nil
		}
		if !sleep(ctx, 10*time.Millisecond) {
			return fmt.Errorf("cluster %s: the group has committed %v, the tail has read %v", w.h.cluster, at, target)
		}
	}
}

func (w *workload) settle(t *testing.T) { settle(t, w.h, w.bootstrap, w.writers[:], w.tail, w.group) }
