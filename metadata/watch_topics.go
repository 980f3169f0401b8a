package metadata

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/controller"
)

// topicWatchRetry is how long a failed removal of a deleted topic's offsets waits.
const topicWatchRetry = time.Second

// topicWatch tells the group coordinators of topics that were deleted, so that their committed offsets go, too.
type topicWatch struct {
	stop    context.CancelFunc
	running sync.WaitGroup
}

func (w *topicWatch) close() {
	if w != nil {
		w.stop()
		w.running.Wait()
	}
}

func (n *Node) watchTopics(cluster kafka.ClusterID, image *controller.Follower) *topicWatch {
	ctx, cancel := context.WithCancel(context.Background())
	w := &topicWatch{stop: cancel}
	w.running.Go(func() {
		var known map[string]bool // nil until the image was seen once: what was deleted before is repaired by expiry
		for ctx.Err() == nil {
			changed := image.Changed()
			if image := image.Image(); image.Offset() >= 0 {
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
				if n.forgetOffsets(ctx, cluster, gone) {
					known = now
				} else if clock.Sleep(ctx, n.cfg.Clock, topicWatchRetry) == nil {
					continue
				}
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	})
	return w
}

// forgetOffsets says whether every coordinator that leads here has removed the topics' offsets. Those that lead elsewhere do so there.
func (n *Node) forgetOffsets(ctx context.Context, cluster kafka.ClusterID, gone []string) bool {
	ok := true
	t := n.tenant(cluster)
	if len(gone) == 0 || t == nil {
		return ok
	}
	for _, g := range t.groups {
		if g == nil {
			continue
		}
		if err := g.OnTopicsDeleted(ctx, gone); err != nil && !errors.Is(err, kerr.NotCoordinator) {
			ok = false
		}
	}
	return ok
}
