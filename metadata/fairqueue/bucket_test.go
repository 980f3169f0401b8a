package fairqueue

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestABucketHoldsToItsRate(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	var b Bucket
	take := func(ms int, n int64, wantWait time.Duration, wantOK bool) {
		t.Helper()
		if wait, ok := b.Take(n, at(ms), 500*time.Millisecond); wait != wantWait || ok != wantOK {
			t.Errorf("at %d ms: %v, %v", ms, wait, ok)
		}
	}
	take(0, 1<<40, 0, true) // no limit yet
	b.SetRate(100, at(0))
	take(0, 9, 0, true)
	take(0, 75, 0, true) // one is left: the rest is paid for by who comes next
	take(0, 1, 750*time.Millisecond, false)
	take(250, 1, 500*time.Millisecond, true) // spent in advance
	take(250, 1, 510*time.Millisecond, false)
	b.GiveBack(1)
	take(260, 1, 490*time.Millisecond, true)
	take(100, 1, 500*time.Millisecond, true)    // a clock that went back is not paid for
	take(100_000, 10, 0, true)                  // a tenth of a second's worth at once
	take(100_000, 1, 10*time.Millisecond, true) // and no more
	b.SetRate(0, at(100_000))
	take(100_000, 1<<40, 0, true)
}

// However calls come, what goes through in a time is at most the rate, what may come at once, and the last call's.
func TestABucketsRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Int64Range(1, 1000).Draw(t, "rate")
		now := time.Unix(0, 0)
		var b Bucket
		b.SetRate(rate, now)
		maxWait := time.Duration(rapid.IntRange(0, 1000).Draw(t, "maxWait")) * time.Millisecond
		through, last := int64(0), now
		for range 200 {
			now = now.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "ms")) * time.Millisecond)
			n := rapid.Int64Range(1, 50).Draw(t, "n")
			wait, ok := b.Take(n, now, maxWait)
			if !ok {
				continue
			}
			if at := now.Add(wait); at.Before(last) {
				t.Fatal("a later call goes first")
			} else {
				last = at
			}
			if most := float64(rate)*(last.Sub(time.Unix(0, 0)).Seconds()+0.1) + 51; float64(through) > most {
				t.Fatalf("%d went through by %v, at most %v may", through, last, most)
			}
			through += n
		}
	})
}
