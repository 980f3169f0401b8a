package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/rpc"
)

// witness sees commits and PUTs in their order.
type witness struct {
	mu     sync.Mutex // guards events
	events []string
}

func (w *witness) saw(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, fmt.Sprintf(format, args...))
}

type watchedMetadata struct {
	rpc.MetadataCluster
	*witness
}

func (m watchedMetadata) CommitObjects(ctx context.Context, req *rpc.CommitObjectsRequest) (*rpc.CommitObjectsResponse, error) {
	m.saw("commit of %d objects to %d", len(req.Objects), req.Coordinator)
	return m.MetadataCluster.CommitObjects(ctx, req)
}

type watchedBucket struct {
	objectstorage.Bucket
	*witness
}

func (b watchedBucket) PutIfAbsent(ctx context.Context, key string, body [][]byte) error {
	b.saw("put")
	return b.Bucket.PutIfAbsent(ctx, key, body)
}

// A broker that dies after its first upload and before its first commit leaves an object that only a sweep of its epoch finds, and partition 0 sweeps the epochs that it has heard
// of: it hears of each before the first upload.
func TestEpochIsKnownBeforeItsFirstUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newJobsWorld(t)
		createTopic(t, &w.cluster, "plain", 2, nil)
		seen := &witness{}
		w.watch = seen
		_ = w.broker.Close()
		w.start(t)
		client := w.client(t)
		defer client.Close()
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "plain", Value: []byte("v")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		seen.mu.Lock()
		defer seen.mu.Unlock()
		if len(seen.events) < 3 || seen.events[0] != "commit of 0 objects to 0" || seen.events[1] != "put" {
			t.Errorf("the broker did %q", seen.events)
		}
	})
}
