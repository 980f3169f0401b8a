package sim

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/inkwell-project/inkwell/metadata/statestore/pebblestore/pebblestoretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func number(t *testing.T, name string, otherwise uint64) uint64 {
	v := os.Getenv(name)
	if v == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// sums of many runs.
type sums struct {
	runs, acked, seen, consumed, faults, crashes, damaged, objects, compared int
	virtual                                                                  time.Duration
}

func (s *sums) add(r *Result) {
	s.runs++
	s.acked, s.seen, s.consumed, s.faults, s.crashes = s.acked+r.Acked, s.seen+r.Seen, s.consumed+r.Consumed, s.faults+r.Faults, s.crashes+r.Crashes
	s.damaged += r.Damaged
	s.objects, s.compared, s.virtual = s.objects+r.Objects, s.compared+r.Compared, s.virtual+r.VirtualTime
}

func (s *sums) String() string {
	return fmt.Sprintf("%d seeds, %s of virtual time: %d faults, %d of them deaths of brokers, %d damaged states; %d values acknowledged, %d seen, %d consumed by groups; %d pairs of equal states; %d objects in the end",
		s.runs, s.virtual, s.faults, s.crashes, s.damaged, s.acked, s.seen, s.consumed, s.compared, s.objects)
}

// play makes runs, one from each seed, as long as more says so.
func play(t *testing.T, plan func(seed uint64) Plan, target string, more func(seed uint64, s *sums) bool) *sums {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // fewer orders of events that the seed does not decide
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	var echo io.Writer
	if os.Getenv("INKWELL_TEST_SIM_TRACE") != "" {
		echo = os.Stdout
	}
	s := &sums{}
	for seed := number(t, "INKWELL_TEST_SIM_SEED", 1); more(seed, s); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			var r *Result
			synctest.Test(t, func(*testing.T) { r = Run(plan(seed), echo) })
			s.add(r)
			if len(r.Violations) > 0 {
				t.Errorf("%s\n\n%+v\nthe last events:\n%s\n\nagain: make %s=1 SEED=%d", r.Violations[0], r.Plan, r.Trace.Last(100), target, seed)
			}
		})
	}
	t.Log(s)
	return s
}

func TestSeeds(t *testing.T) {
	first, count := number(t, "INKWELL_TEST_SIM_SEED", 1), number(t, "INKWELL_TEST_SIM_SEEDS", ordinarySeeds)
	play(t, NewPlan, "sim SEEDS", func(seed uint64, _ *sums) bool { return seed < first+count })
}

// A file of one replica's state is damaged, or its state differs, while everything else fails, too: it is rebuilt without an operator, and nobody notices.
func TestDamage(t *testing.T) {
	for what, name := range map[pebblestoretest.Kind]string{pebblestoretest.FlippedBit: "a flipped bit", pebblestoretest.AnotherValue: "another value"} {
		t.Run(name, func(t *testing.T) {
			first, count := number(t, "INKWELL_TEST_SIM_SEED", 1), number(t, "INKWELL_TEST_SIM_DAMAGES", ordinaryDamages)
			damaged := play(t, NewDamagePlan(what), "damage DAMAGES", func(seed uint64, _ *sums) bool { return seed < first+count }).damaged
			if damaged < int(count) {
				t.Errorf("in %d runs %d states were damaged", count, damaged)
			}
		})
	}
}

// The Raft log of a node is damaged while everything else fails, too: the node comes back without an operator when nobody counts on what it had, and nobody notices.
func TestDamagedLogs(t *testing.T) {
	first, count := number(t, "INKWELL_TEST_SIM_SEED", 1), number(t, "INKWELL_TEST_SIM_DAMAGES", ordinaryDamages)
	damaged := play(t, NewLogDamagePlan, "damage DAMAGES", func(seed uint64, _ *sums) bool { return seed < first+count }).damaged
	if damaged < int(count) {
		t.Errorf("in %d runs %d logs were damaged", count, damaged)
	}
}

// Brokers die until so many of them have, a few dozen in each run. After the sweep of each run no object is left that no coordinate points at, and no coordinate points nowhere.
func TestCrashes(t *testing.T) {
	count := number(t, "INKWELL_TEST_SIM_CRASHES", 100)
	play(t, NewCrashPlan, "crashes CRASHES", func(_ uint64, s *sums) bool { return s.crashes < int(count) && !t.Failed() })
}
