package groupcoordinator

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// Turns begin in the order of the queue; a save or deletion runs alone; nothing is forgotten.
func TestWriteQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		var q writeQueue
		var open []*turn
		for range 200 {
			if r.IntN(2) == 0 {
				open = append(open, q.enqueue(r.IntN(3) == 0))
			} else if len(open) > 0 {
				i := r.IntN(len(open)) // also one that gives up before it began
				q.done(open[i])
				open = append(open[:i], open[i+1:]...)
			}
			running, exclusive, waiting := 0, 0, false
			for _, o := range open {
				select {
				case <-o.begin:
					if waiting {
						t.Fatal("a write overtook another")
					}
					if running++; o.exclusive {
						exclusive++
					}
				default:
					waiting = true
				}
			}
			if exclusive > 0 && running > 1 {
				t.Fatalf("%d writes ran beside a save", running-1)
			}
			if running == 0 && len(open) > 0 || q.idle() != (len(open) == 0) {
				t.Fatalf("%d writes are open, %d run, idle=%v", len(open), running, q.idle())
			}
		}
	})
}
