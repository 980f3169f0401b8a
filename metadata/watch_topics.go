package metadata

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/clock"
)

// topicWatchRetry is how long a failed removal of a deleted topic's offsets waits.
const topicWatchRetry = time.Second

// watchTopics tells the group coordinators of topics that were deleted, so that their committed offsets go, too.
func (t *tenant) watchTopics() {
	ctx, cancel := context.WithCancel(context.Background())
	t.stopWatching = cancel
	t.watching.Go(func() {
		var known map[string]bool // nil until the image was seen once: what was deleted before is repaired by expiry
		for ctx.Err() == nil {
			changed := t.image.Changed()
			if image := t.image.Image(); image.Offset() >= 0 {
				now := map[string]bool{}
				var gone []string
				for _, topic := range image.Topics() {
					now[topic.Name] = true
				}
				for name := range known {
					if !now[name] {
						gone = append(gone, name)
					}
				}
				if t.forgetOffsets(ctx, gone) {
					known = now
				} else if clock.Sleep(ctx, t.clock, topicWatchRetry) == nil {
					continue
				}
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	})
}

// forgetOffsets says whether every coordinator that leads has removed the topics' offsets.
func (t *tenant) forgetOffsets(ctx context.Context, gone []string) bool {
	ok := true
	if len(gone) == 0 {
		return ok
	}
	for _, g := range t.groups {
		if err := g.OnTopicsDeleted(ctx, gone); err != nil && !errors.Is(err, kerr.NotCoordinator) {
			ok = false
		}
	}
	return ok
}
