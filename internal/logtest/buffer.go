// Package logtest keeps what is logged, for tests.
package logtest

import (
	"bytes"
	"strings"
	"sync"
)

// Buffer is what was written. It may be read while others write.
type Buffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *Buffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *Buffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Count says how often a text was written.
func (l *Buffer) Count(text string) int { return strings.Count(l.String(), text) }
