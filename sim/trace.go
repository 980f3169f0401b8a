package sim

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Trace is what happened, in order: every delivery of the network, every fault, every result. The newest events are kept to be shown;
// all of them are in the hash, by which two runs of one seed are compared.
type Trace struct {
	began time.Time

	mu     sync.Mutex // guards what follows
	hash   uint64
	n      int
	ring   []event
	echo   io.Writer
	points []uint64 // the hash after every pointEvery events
}

const (
	keptEvents = 4000
	pointEvery = 500
)

type event struct {
	at   time.Duration
	what string
	args []any
}

// NewTrace begins now. echo, if not nil, gets every event as text.
func NewTrace(echo io.Writer) *Trace {
	return &Trace{began: time.Now(), hash: 14695981039346656037, echo: echo}
}

// Add takes one event. Its arguments must not change any more.
func (t *Trace) Add(what string, args ...any) {
	now := time.Since(t.began)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mixInt(uint64(now))
	t.mixString(what)
	for _, a := range args {
		switch a := a.(type) {
		case string:
			t.mixString(a)
		case int:
			t.mixInt(uint64(a))
		case int32:
			t.mixInt(uint64(a))
		case int64:
			t.mixInt(uint64(a))
		case time.Duration:
			t.mixInt(uint64(a))
		default:
			t.mixString(fmt.Sprint(a))
		}
	}
	e := event{now, what, args}
	if len(t.ring) < keptEvents {
		t.ring = append(t.ring, e)
	} else {
		t.ring[t.n%keptEvents] = e
	}
	t.n++
	if t.n%pointEvery == 0 {
		t.points = append(t.points, t.hash)
	}
	if t.echo != nil {
		fmt.Fprintln(t.echo, e)
	}
}

func (t *Trace) mixInt(v uint64) {
	for range 8 {
		t.hash = (t.hash ^ (v & 0xff)) * 1099511628211
		v >>= 8
	}
}

func (t *Trace) mixString(s string) {
	for i := range len(s) {
		t.hash = (t.hash ^ uint64(s[i])) * 1099511628211
	}
}

// Hash and Events describe the whole run.
func (t *Trace) Hash() (hash uint64, events int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.hash, t.n
}

// Common is how many events two traces have in common at least before they differ.
func (t *Trace) Common(u *Trace) int {
	for i := range min(len(t.points), len(u.points)) {
		if t.points[i] != u.points[i] {
			return i * pointEvery
		}
	}
	return min(len(t.points), len(u.points)) * pointEvery
}

// Last is the newest events as text, at most n of those that are not mere deliveries of the network.
func (t *Trace) Last(n int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for i := range len(t.ring) {
		e := t.ring[((t.n-1-i)%keptEvents+keptEvents)%keptEvents]
		if e.what == delivered {
			continue
		}
		if lines = append(lines, e.String()); len(lines) == n {
			break
		}
	}
	for i, j := 0, len(lines)-1; i < j; i, j = i+1, j-1 {
		lines[i], lines[j] = lines[j], lines[i]
	}
	return strings.Join(lines, "\n")
}

func (e event) String() string {
	return fmt.Sprintf("%12.6fs %s %s", e.at.Seconds(), e.what, strings.TrimSuffix(fmt.Sprintln(e.args...), "\n"))
}
