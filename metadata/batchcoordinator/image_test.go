package batchcoordinator

import (
	"context"
	"slices"
	"sync"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/batchcoordinator/state"
)

// testImage is a MetadataImage that a test moves on.
type testImage struct {
	mu         sync.Mutex // guards everything below
	offset     int64
	changed    chan struct{}
	order      []kafka.TopicIDPartition
	partitions map[kafka.TopicIDPartition]PartitionInfo
	live       []state.BrokerEpoch
}

func newTestImage() *testImage {
	return &testImage{changed: make(chan struct{}), partitions: map[kafka.TopicIDPartition]PartitionInfo{}}
}

// update changes the image and gives it its next offset.
func (i *testImage) update(change func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change()
	i.offset++
	close(i.changed)
	i.changed = make(chan struct{})
}

func (i *testImage) create(tp kafka.TopicIDPartition, info PartitionInfo) {
	i.update(func() { i.order, i.partitions[tp] = append(i.order, tp), info })
}

func (i *testImage) remove(id kafka.TopicID) {
	i.update(func() {
		for _, tp := range i.order {
			if tp.ID == id {
				delete(i.partitions, tp)
			}
		}
		i.order = slices.DeleteFunc(i.order, func(tp kafka.TopicIDPartition) bool { return tp.ID == id })
	})
}

func (i *testImage) WaitFor(ctx context.Context, offset int64) error {
	for {
		i.mu.Lock()
		reached, changed := i.offset >= offset, i.changed
		i.mu.Unlock()
		if reached {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (i *testImage) Offset() int64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.offset
}

func (i *testImage) Partition(tp kafka.TopicIDPartition) (PartitionInfo, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	info, ok := i.partitions[tp]
	return info, ok
}

func (i *testImage) HasTopic(id kafka.TopicID) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.ContainsFunc(i.order, func(tp kafka.TopicIDPartition) bool { return tp.ID == id })
}

func (i *testImage) Partitions(coordinator int32, fn func(kafka.TopicIDPartition, PartitionInfo) bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, tp := range i.order {
		if info := i.partitions[tp]; info.Coordinator == coordinator && !fn(tp, info) {
			return
		}
	}
}

func (i *testImage) LiveBrokers() (int64, []state.BrokerEpoch) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.offset, slices.Clone(i.live)
}

func (i *testImage) Changed() <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.changed
}
