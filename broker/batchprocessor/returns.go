package batchprocessor

import "time"

// returns guesses whether producers that were answered are about to send again. A producer with a bounded number of requests in flight sends one for each answer, within
// less than a millisecond. An object that leaves before the last of them is there carries one or two batches, and the ones behind it wait for its PUT and its commit:
// the same producer gets fewer batches through, for several times the PUTs. Guarded by Processor.mu.
type returns struct {
	expected int       // requests that were answered together and not followed by as many new ones
	until    time.Time // they are not expected any more
}

// answered says that n requests are about to be answered.
func (r *returns) answered(n int, until time.Time) {
	r.expected += n
	r.until = until
}

// arrived takes a request for one of those that were expected. Whose it is does not matter: where it errs an object waits for ReturnWait, or leaves early.
func (r *returns) arrived() { r.expected = max(0, r.expected-1) }

// awaited is until when an object may wait for them, zero if none is expected.
func (r *returns) awaited(now time.Time) time.Time {
	if r.expected == 0 || !now.Before(r.until) {
		r.expected = 0
		return time.Time{}
	}
	return r.until
}
