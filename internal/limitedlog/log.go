// Package limitedlog writes log lines that clients can cause. They are bounded in number and size: who sends garbage in a loop must not fill the disk.
package limitedlog

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/inkwell-project/inkwell/internal/clock"
)

const (
	maxLinesPerSecond = 10
	maxErrorText      = 512
)

// Logger writes ten lines a second at most; the next line says how many were left out. Debug and Info are as the embedded logger has them.
type Logger struct {
	*slog.Logger
	clock clock.Clock

	mu         sync.Mutex // guards all below
	second     time.Time
	lines      int
	suppressed int
}

// New bounds what l is told by way of the result.
func New(l *slog.Logger, c clock.Clock) *Logger { return &Logger{Logger: l, clock: c} }

func (l *Logger) allow() (suppressed int, ok bool) {
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

// Warn is slog's, bounded.
func (l *Logger) Warn(msg string, args ...any) { l.log(slog.LevelWarn, msg, args) }

// Error is slog's, bounded.
func (l *Logger) Error(msg string, args ...any) { l.log(slog.LevelError, msg, args) }

func (l *Logger) log(level slog.Level, msg string, args []any) {
	suppressed, ok := l.allow()
	if !ok {
		return
	}
	if suppressed > 0 {
		args = append(args, "suppressed", suppressed)
	}
	l.Log(context.Background(), level, msg, args...)
}

// Capped cuts text that a client may have made long.
func Capped(text string) string {
	if len(text) > maxErrorText {
		return text[:maxErrorText] + "..."
	}
	return text
}
