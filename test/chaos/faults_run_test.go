package chaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// round is faults that come together, each so long after the round's begin.
type round struct {
	steps []step
	after []time.Duration
}

const (
	// quiet is how long a system that has come to rest is left alone.
	quiet = 500 * time.Millisecond
	// healTime is how long after a round the system may take until it serves everyone again: sessions, elections, clients that wait before they try again.
	healTime = 40 * time.Second
)

// schedule is drawn from the seed alone: each fault by itself once, in any order, and then mixes of two or three.
func schedule(random *rand.Rand, long bool, mixes int, only string) (rounds []round) {
	var chosen []fault
	for _, f := range faults {
		if (long || !f.long) && strings.Contains(f.name, only) {
			chosen = append(chosen, f)
		}
	}
	draw := func(f fault) step {
		return step{fault: f.name, a: random.IntN(12), b: random.IntN(12), hold: f.min + time.Duration(random.Int64N(int64(f.max-f.min)+1))}
	}
	alone := random.Perm(len(chosen))
	if !long && only == "" {
		alone = alone[:4]
	}
	for _, i := range alone {
		rounds = append(rounds, round{[]step{draw(chosen[i])}, []time.Duration{0}})
	}
	for range mixes {
		var r round
		for range 2 + random.IntN(2) {
			r.steps = append(r.steps, draw(chosen[random.IntN(len(chosen))]))
			r.after = append(r.after, time.Duration(random.Int64N(int64(2*time.Second))))
		}
		rounds = append(rounds, r)
	}
	return rounds
}

// TestFaults: three metadata nodes, four brokers of two Inkless clusters. Everything that can happen to processes and links happens, under load; in the end all
// that was acknowledged is there once and in order, nothing is of the other cluster, and no group went back.
func TestFaults(t *testing.T) {
	t.Parallel()
	long := os.Getenv("INKWELL_TEST_CHAOS") == "long"
	seed := intFromEnv(t, "INKWELL_TEST_SEED", int(time.Now().UnixNano()%1_000_000))
	mixes := intFromEnv(t, "INKWELL_TEST_MIXES", map[bool]int{false: 1, true: 6}[long])
	rounds := schedule(rand.New(rand.NewPCG(uint64(seed), 0)), long, mixes, os.Getenv("INKWELL_TEST_FAULT"))
	t.Logf("INKWELL_TEST_SEED=%d", seed)
	for i, r := range rounds {
		t.Logf("round %d: %v", i+1, r.steps)
	}
	s := startSystem(t)
	var clusters []*workload
	for i := range clusterNames {
		clusters = append(clusters, s.startWorkload(i, uint64(seed), load{10, 600, 150 * time.Millisecond}))
	}
	heal(t, s, clusters)
	for i, r := range rounds {
		s.say("round %d: %v", i+1, r.steps)
		if err := s.play(r); err != nil {
			t.Fatalf("round %d: %v", i+1, err)
		}
		began := time.Now()
		heal(t, s, clusters)
		s.say("round %d: all is well again %s after it", i+1, time.Since(began).Round(10*time.Millisecond))
		sleep(t.Context(), quiet)
	}
	for _, w := range clusters {
		w.settle(t)
		w.h.say("%s: %d records acknowledged, the longest time without one was %s", w.h.cluster, w.h.acks(), w.h.longest.Round(10*time.Millisecond))
	}
	for _, line := range s.complaints() {
		t.Errorf("a log says: %s", line)
	}
}

// play does the faults of a round, and returns when all are undone.
func (s *system) play(r round) error {
	errs := make([]error, len(r.steps))
	var all sync.WaitGroup
	for i, st := range r.steps {
		f := faults[slices.IndexFunc(faults, func(f fault) bool { return f.name == st.fault })]
		all.Go(func() {
			sleep(s.t.Context(), r.after[i])
			errs[i] = f.do(s, st)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// heal waits until everyone is served: nodes rest, and each cluster acknowledges what is written now.
func heal(t *testing.T, s *system, clusters []*workload) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), healTime)
	defer cancel()
	err := errors.Join(s.stillRuns(), s.awaitCalm(ctx))
	for _, w := range clusters {
		// More than can have been in flight before.
		err = errors.Join(err, w.awaitAcks(ctx, 50), w.awaitCommits(ctx))
	}
	if err != nil {
		t.Fatal(err)
	}
	if t.Failed() {
		t.Fatal("the first failure ends the story")
	}
}
