package groupcoordinator

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/groupcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog/raftlogtest"
	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// Consumers that behave as Kafka's do, that crash and give up on requests, while leadership comes and goes and writes fail: a partition has one
// owner in a generation, replicas agree, and when the trouble ends every group has all its members again.
func TestConsumersUnderTrouble(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { consumersUnderTrouble(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func consumersUnderTrouble(t *testing.T, r *rand.Rand) {
	log := raftlogtest.New(state.Machine{})
	uuids := rand.New(rand.NewPCG(r.Uint64(), 0))
	var uuidMu sync.Mutex
	registry := prometheus.NewRegistry()
	c := New(Config{Cluster: "dev", Log: log, Registerer: registry, NewUUID: func() string {
		uuidMu.Lock()
		defer uuidMu.Unlock()
		return fmt.Sprintf("%016x", uuids.Uint64())
	}})
	w := &watcher{t: t, owners: map[string]string{}}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 9 {
		cs := &consumer{c: c, w: w, rand: rand.New(rand.NewPCG(r.Uint64(), 0)), name: fmt.Sprintf("c%d", i), group: fmt.Sprintf("g%d", i%2)}
		if i%3 == 0 {
			cs.instance = kmsg.StringPtr("static-" + cs.name)
		}
		wg.Go(func() { cs.run(ctx) })
	}
	for range 40 {
		time.Sleep(time.Duration(r.IntN(9000)) * time.Millisecond)
		switch r.IntN(3) {
		case 0:
			log.SetLeader(false)
			time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
			log.SetLeader(true)
		case 1:
			log.Inject(raftlogtest.Fault{Err: kafka.ErrUnknownOutcome, Applied: r.IntN(2) == 0})
		case 2:
			log.Hold()
			time.Sleep(time.Duration(r.IntN(7000)) * time.Millisecond) // sometimes longer than the write timeout
			log.Release()
		}
	}
	w.calm.Store(true)
	time.Sleep(3 * time.Minute)
	for _, group := range []string{"g0", "g1"} {
		log.View(func(s statestore.Reader) {
			if v, ok := state.ReadGroup(s, group); !ok || len(v.Members) < 4 {
				t.Errorf("%s has %d members after a quiet time", group, len(v.Members))
			}
		})
	}
	if families, err := registry.Gather(); err != nil || len(families) == 0 {
		t.Error(families, err)
	}
	cancel()
	wg.Wait()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if w.commits < 500 {
		t.Errorf("only %d commits: the consumers hardly worked", w.commits)
	}
	replica := raftlogtest.New(state.Machine{})
	for _, cmd := range log.Commands() {
		if _, err := replica.Propose(context.Background(), cmd); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := fmt.Sprint(log.Dump()), fmt.Sprint(replica.Dump()); a != b {
		t.Error("a replica that applied the same commands differs")
	}
}
