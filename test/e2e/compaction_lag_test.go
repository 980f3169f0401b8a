package e2e

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The lags of a topic's settings: what is dirty for max.compaction.lag.ms is compacted whatever the dirty ratio, and no record that is younger than min.compaction.lag.ms.
func TestCompactionLags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newJobsWorld(t)
		topic := func(name, setting string, lag time.Duration, ratio string) {
			createTopic(t, &w.cluster, name, 1, map[string]*string{"cleanup.policy": kadm.StringPtr("compact"), "min.cleanable.dirty.ratio": &ratio,
				setting: kadm.StringPtr(fmt.Sprint(lag.Milliseconds()))})
		}
		topic("at-last", "max.compaction.lag.ms", 30*time.Minute, "1") // more than all of it is never dirty
		topic("not-yet", "min.compaction.lag.ms", 45*time.Minute, "0.01")
		began := time.Now()
		client := w.client(t, kgo.DisableIdempotentWrite())
		for i := range 3 {
			for _, name := range []string{"at-last", "not-yet"} {
				if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: name, Key: []byte("k"), Value: fmt.Append(nil, i)}).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
		}
		client.Close()
		for _, at := range []struct {
			after, atLast, notYet int // minutes, records
		}{{25, 3, 3}, {40, 1, 3}, {60, 1, 1}} {
			time.Sleep(time.Until(began.Add(time.Duration(at.after) * time.Minute)))
			if n, m := len(w.read(t, "at-last")), len(w.read(t, "not-yet")); n != at.atLast || m != at.notYet {
				t.Errorf("after %d minutes there are %d and %d records, want %d and %d", at.after, n, m, at.atLast, at.notYet)
			}
		}
	})
}
