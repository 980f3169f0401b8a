package e2e

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/inkwell-project/inkwell/metadata"
	"github.com/inkwell-project/inkwell/rpc"
)

// A cluster gets more batch coordinators while a broker runs. What another broker commits there and leaves when it dies is live: the first broker's sweep of that epoch asks the new
// coordinators, too. And it works for them: what they have is merged, and what that leaves is deleted.
func TestMoreCoordinatorsThanAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newJobsWorld(t)
		first, toFirst := w.broker, w.dial
		const more = 2
		if _, err := w.node.AddBatchCoordinators(t.Context(), &rpc.AddBatchCoordinatorsRequest{Name: clusterName, Count: batchCoordinators + more}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // its controller places topics on them by now
		w.startAs(t, 2)
		createTopic(t, &w.cluster, "anywhere", batchCoordinators, nil) // as many as there were, so that the next ones are placed on the new
		createTopic(t, &w.cluster, "later", 2*more, nil)
		client := w.client(t, kgo.DefaultProduceTopic("later"))
		const records = 20
		for i := range records {
			if err := client.ProduceSync(t.Context(), kgo.StringRecord(fmt.Sprint(i))).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		client.Close()
		w.broken.kill()
		_ = w.broker.Close()
		w.broker, w.dial = first, toFirst

		time.Sleep(40 * time.Minute)
		if n := len(w.read(t, "later")); n != records {
			t.Errorf("%d of %d records are left", n, records)
		}
		for _, c := range w.coordinates(t) {
			if !c.Stamped {
				t.Errorf("%+v was never merged", c)
			}
		}
		w.checkObjects(t)
		w.verify(t, true)
	})
}

// asItIs calls a node as it is by now: what Node.Cluster returns has the coordinators of that moment. A broker's connection has those that there are.
type asItIs struct {
	rpc.MetadataCluster
	node *metadata.Node
}

func (m asItIs) now() rpc.MetadataCluster {
	c, err := m.node.Cluster(clusterName)
	if err != nil {
		return m.MetadataCluster
	}
	return c
}

func (m asItIs) CommitObjects(ctx context.Context, req *rpc.CommitObjectsRequest) (*rpc.CommitObjectsResponse, error) {
	return m.now().CommitObjects(ctx, req)
}

func (m asItIs) FindSegments(ctx context.Context, req *rpc.FindSegmentsRequest) (*rpc.FindSegmentsResponse, error) {
	return m.now().FindSegments(ctx, req)
}

func (m asItIs) FollowTopic(ctx context.Context, req *rpc.FollowTopicRequest) (*rpc.FollowTopicResponse, error) {
	return m.now().FollowTopic(ctx, req)
}

func (m asItIs) RequestWork(ctx context.Context, req *rpc.RequestWorkRequest) (*rpc.RequestWorkResponse, error) {
	return m.now().RequestWork(ctx, req)
}

func (m asItIs) RenewWork(ctx context.Context, req *rpc.RenewWorkRequest) (*rpc.RenewWorkResponse, error) {
	return m.now().RenewWork(ctx, req)
}

func (m asItIs) CompleteWork(ctx context.Context, req *rpc.CompleteWorkRequest) (*rpc.CompleteWorkResponse, error) {
	return m.now().CompleteWork(ctx, req)
}

func (m asItIs) FailWork(ctx context.Context, req *rpc.FailWorkRequest) (*rpc.FailWorkResponse, error) {
	return m.now().FailWork(ctx, req)
}

func (m asItIs) CheckReleased(ctx context.Context, req *rpc.CheckReleasedRequest) (*rpc.CheckReleasedResponse, error) {
	return m.now().CheckReleased(ctx, req)
}

func (m asItIs) DescribeObjects(ctx context.Context, req *rpc.DescribeObjectsRequest) (*rpc.DescribeObjectsResponse, error) {
	return m.now().DescribeObjects(ctx, req)
}

func (m asItIs) DescribeCoordinates(ctx context.Context, req *rpc.DescribeCoordinatesRequest) (*rpc.DescribeCoordinatesResponse, error) {
	return m.now().DescribeCoordinates(ctx, req)
}

func (m asItIs) DescribeCluster(ctx context.Context, req *rpc.DescribeClusterRequest) (*rpc.DescribeClusterResponse, error) {
	return m.now().DescribeCluster(ctx, req)
}

func (m asItIs) ListOffsets(ctx context.Context, req *rpc.ListOffsetsRequest) (*rpc.ListOffsetsResponse, error) {
	return m.now().ListOffsets(ctx, req)
}
