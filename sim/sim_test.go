package sim

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
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

// runSeed makes one run in a bubble of its own.
func runSeed(t *testing.T, plan Plan, echo io.Writer) (r *Result) {
	synctest.Test(t, func(*testing.T) { r = Run(plan, echo) })
	return r
}

func TestSeeds(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // fewer orders of events that the seed does not decide
	first, count := number(t, "INKWELL_TEST_SIM_SEED", 1), number(t, "INKWELL_TEST_SIM_SEEDS", 3)
	var echo io.Writer
	if os.Getenv("INKWELL_TEST_SIM_TRACE") != "" {
		echo = os.Stdout
	}
	var acked, seen, consumed, faults int
	var virtual time.Duration
	for seed := first; seed < first+count; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := runSeed(t, NewPlan(seed), echo)
			acked, seen, consumed, faults, virtual = acked+r.Acked, seen+r.Seen, consumed+r.Consumed, faults+r.Faults, virtual+r.VirtualTime
			if len(r.Violations) > 0 {
				t.Errorf("%s\n\n%+v\nthe last events:\n%s\n\nagain: make sim SEEDS=1 SEED=%d", r.Violations[0], r.Plan, r.Trace.Last(100), seed)
			}
		})
	}
	t.Logf("%d seeds, %s of virtual time: %d faults, %d values acknowledged, %d seen, %d consumed by groups", count, virtual, faults, acked, seen, consumed)
}
