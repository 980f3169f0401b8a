package clusterimage

import (
	"context"
	"sync"
	"sync/atomic"
)

// Latest holds the newest image for many readers while one follower replaces it.
type Latest struct {
	image   atomic.Pointer[Image]
	mu      sync.Mutex    // guards changed
	changed chan struct{} // closed when image was replaced
}

// NewLatest begins with the empty image.
func NewLatest() *Latest {
	l := &Latest{changed: make(chan struct{})}
	l.image.Store(Empty())
	return l
}

// Image is the newest image.
func (l *Latest) Image() *Image { return l.image.Load() }

// Offset is the newest image's.
func (l *Latest) Offset() int64 { return l.Image().Offset() }

// Publish replaces the image and wakes those who wait. Images must not go back.
func (l *Latest) Publish(i *Image) {
	l.image.Store(i)
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.changed)
	l.changed = make(chan struct{})
}

// Changed is closed when the image moves on. Take it before looking at the image.
func (l *Latest) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// WaitFor returns nil when the image shows the record at offset; at once for a negative offset.
func (l *Latest) WaitFor(ctx context.Context, offset int64) error {
	for {
		changed := l.Changed()
		if l.Offset() >= offset {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
