package listener

import (
	"log/slog"
	"sync"
	"time"

	"github.com/inkwell-project/inkwell/internal/clock"
)

// Lines that a client can cause are bounded in number and size: who sends garbage in a loop must not fill the disk.
const (
	maxLinesPerSecond = 10
	maxErrorText      = 512
)

type limitedLog struct {
	*slog.Logger
	clock clock.Clock

	mu         sync.Mutex // guards all below
	second     time.Time
	lines      int
	suppressed int
}

func newLimitedLog(l *slog.Logger, c clock.Clock) *limitedLog {
	return &limitedLog{Logger: l, clock: c}
}

func (l *limitedLog) allow() (suppressed int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.clock.Now(); now.Sub(l.second) >= time.Second || now.Before(l.second) {
		l.second, l.lines = now, 0
	}
	if l.lines >= maxLinesPerSecond {
		l.suppressed++
		return 0, false
	}
	l.lines++
	suppressed, l.suppressed = l.suppressed, 0
	return suppressed, true
}

func (l *limitedLog) warn(msg string, args ...any) {
	suppressed, ok := l.allow()
	if !ok {
		return
	}
	if suppressed > 0 {
		args = append(args, "suppressed", suppressed)
	}
	l.Logger.Warn(msg, args...)
}

func capped(text string) string {
	if len(text) > maxErrorText {
		return text[:maxErrorText] + "..."
	}
	return text
}
