package broker

import (
	"testing"
	"time"
)

func TestStalls(t *testing.T) {
	const session = 10 * time.Second
	at := func(seconds float64) time.Time {
		return time.Unix(1000, 0).Add(time.Duration(seconds * float64(time.Second)))
	}
	want := func(s *stalls, seconds float64, stalled bool) {
		t.Helper()
		if got := s.stalled(at(seconds), session); got != stalled {
			t.Errorf("at %v s: stalled %v", seconds, got)
		}
	}
	s := new(stalls)
	want(s, 0, false) // nothing is known yet
	for i := range 4 {
		s.tick(at(float64(6*i)), session) // heartbeats that fail, one after the other, are no stall
		want(s, float64(6*i+5), false)
	}
	want(s, 28.1, true) // 10.1 s without a tick: a request is read before the tick that is due
	s.tick(at(28.2), session)
	want(s, 28.3, true)
	want(s, 30.1, true)
	want(s, 30.3, false)

	s = new(stalls)
	s.tick(at(0), session)
	s.tick(at(60), session) // the tick comes first
	want(s, 60.1, true)
	want(s, 62.1, false)
}
