package batchcoordinator

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/batchcoordinator/state"
	"github.com/inkwell-project/inkwell/rpc"
)

// coordinates walks all pages; a page begins with the last coordinate of the one before.
func (f *fixture) coordinates(page int32) map[kafka.TopicIDPartition][]rpc.Coordinate {
	f.t.Helper()
	all := map[kafka.TopicIDPartition][]rpc.Coordinate{}
	req := &rpc.DescribeCoordinatesRequest{Coordinator: 2, MaxCoordinates: page}
	for range 100 {
		r, err := f.DescribeCoordinates(f.t.Context(), req)
		if err != nil {
			f.t.Fatal(err)
		}
		for i, p := range r.Partitions {
			if !p.Complete && (i < len(r.Partitions)-1 || len(p.Coordinates) == 0) || p.Count != 4 || p.Bytes != 400 || p.HighWatermark != 40 || p.Deleting {
				f.t.Fatalf("page of %d: %+v", page, p)
			}
			known := all[p.Partition]
			if n := len(known); n > 0 && len(p.Coordinates) > 0 && p.Coordinates[0] == known[n-1] {
				p.Coordinates = p.Coordinates[1:]
			}
			all[p.Partition] = append(known, p.Coordinates...)
			req.From, req.Offset = p.Partition, 0
			if p.Complete {
				req.From.Partition++
			} else {
				req.Offset = all[p.Partition][len(all[p.Partition])-1].LastOffset
			}
		}
		if len(r.Partitions) == 0 || !r.More && r.Partitions[len(r.Partitions)-1].Complete {
			return all
		}
	}
	f.t.Fatalf("pages of %d do not end", page)
	return nil
}

func TestDescribeCoordinatesInPages(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, f *fixture) {
		synctest.Wait()
		for range 4 {
			f.commit(orders, payments)
		}
		want := f.coordinates(1000)
		if len(want[orders]) != 4 || len(want[payments]) != 4 {
			t.Fatalf("%+v", want)
		}
		for page := int32(2); page < 10; page++ {
			if diff := cmp.Diff(want, f.coordinates(page)); diff != "" {
				t.Errorf("page of %d (-want +got):\n%s", page, diff)
			}
		}
		if _, err := f.DescribeCoordinates(t.Context(), &rpc.DescribeCoordinatesRequest{Coordinator: 3}); !errors.Is(err, kerr.NotCoordinator) {
			t.Error(err)
		}
		if _, err := f.DescribeObjects(t.Context(), &rpc.DescribeObjectsRequest{Coordinator: 2, Objects: make([]kafka.ObjectID, rpc.MaxDescribedObjects+1)}); !errors.Is(err, kerr.InvalidRequest) {
			t.Error(err)
		}
	})
}

// An object's life, and what becomes of epochs that never committed it.
func TestDescribeObjects(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, f *fixture) {
		synctest.Wait()
		f.commit(orders, payments)
		describe := func(id kafka.ObjectID) rpc.ObjectDescription {
			t.Helper()
			r, err := f.DescribeObjects(t.Context(), &rpc.DescribeObjectsRequest{Coordinator: 2, MetadataOffset: -1, Objects: []kafka.ObjectID{id}})
			if err != nil {
				t.Fatal(err)
			}
			return r.Objects[0]
		}
		committed, flying := kafka.ObjectID{Epoch: 1}, kafka.ObjectID{Epoch: 1, Sequence: 9}
		want := func(when string, id kafka.ObjectID, want rpc.ObjectDescription) {
			t.Helper()
			if got := describe(id); got != want {
				t.Errorf("%s: %+v, want %+v", when, got, want)
			}
		}
		want("committed", committed, rpc.ObjectDescription{State: rpc.ObjectReferenced, References: 2, Bytes: 100, Epoch: rpc.EpochLive})
		want("uploaded", flying, rpc.ObjectDescription{Epoch: rpc.EpochLive})
		want("of nobody yet", kafka.ObjectID{Epoch: 1 << 40}, rpc.ObjectDescription{Epoch: rpc.EpochUnissued})

		if _, err := f.DeleteRecords(t.Context(), &rpc.DeleteRecordsRequest{Coordinator: 2, Partitions: []rpc.DeleteRecords{{Partition: orders, Before: -1}, {Partition: payments, Before: -1}}}); err != nil {
			t.Fatal(err)
		}
		want("released", committed, rpc.ObjectDescription{State: rpc.ObjectReleased, Bytes: 100, Epoch: rpc.EpochLive})
		if w := f.requestKinds(f.cfg.ObjectDeleteDelay, rpc.WorkDelete); len(w.Objects) != 1 {
			t.Fatalf("%+v", w)
		}
		want("leased", committed, rpc.ObjectDescription{State: rpc.ObjectDeleting, Bytes: 100, Epoch: rpc.EpochLive})

		f.image.update(func() { f.image.live = []state.BrokerEpoch{{Broker: 2, Epoch: 3}} })
		synctest.Wait()                                                                         // the coordinator fences epoch 1
		want("of an epoch that is over", flying, rpc.ObjectDescription{Epoch: rpc.EpochFenced}) // partition 0 has it swept
		want("of an epoch that was nobody's", kafka.ObjectID{Epoch: 2}, rpc.ObjectDescription{Epoch: rpc.EpochFenced})
	})
}
