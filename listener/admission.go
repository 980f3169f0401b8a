package listener

const (
	// reserveShare of the byte credits, maxReserve at most, is kept from Produce.
	reserveShare = 8
	maxReserve   = 8 << 20
	// reserveFrames is how many frames fit in the reserve at least; larger ones do not use it.
	reserveFrames = 4
	// maxReservedFrame is far more than what keeps groups, metadata and fetches going.
	maxReservedFrame = 32 << 10
)

// admission takes a frame's bytes from Config.ByteCredits before the frame is read. Frames of Produce are held until their records are stored: a slow store, or
// producers that stop in the middle of a frame, can hold all that there is. What is small and not Produce then still has a reserve, so that members keep their
// groups and consumers read.
type admission struct {
	frames  *credits
	reserve *credits
}

func newAdmission(total int64) *admission {
	reserve := min(total/reserveShare, maxReserve)
	return &admission{frames: newCredits(total - reserve), reserve: newCredits(reserve)}
}

// admitNow returns the credits that a frame of so many bytes has taken its charge from, and that get it back: nil when it must wait.
func (a *admission) admitNow(key int16, size int64) *credits {
	if a.frames.acquireNow(size) {
		return a.frames
	}
	if a.mayUseReserve(key, size) && a.reserve.acquireNow(size) {
		return a.reserve
	}
	return nil
}

// await is admitNow for one that waits. It returns nil when one of the channels is closed before.
func (a *admission) await(key int16, size int64, done, draining <-chan struct{}) *credits {
	from := a.frames
	if a.mayUseReserve(key, size) {
		from = a.reserve
	}
	if !from.acquire(size, done, draining) {
		return nil
	}
	return from
}

func (a *admission) mayUseReserve(key int16, size int64) bool {
	return key != produceKey && size <= min(maxReservedFrame, a.reserve.total/reserveFrames)
}

// inUse is how many bytes are taken.
func (a *admission) inUse() int64 { return a.frames.inUse.Load() + a.reserve.inUse.Load() }
