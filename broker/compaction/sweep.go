package compaction

import (
	"context"
	"fmt"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// listPage is how many objects a sweep lists, asks about and deletes at a time.
const listPage = 1000

// sweep deletes the objects of a fenced epoch that every coordinator partition has released: it refers to none of them, and takes no commit of that epoch any more. What a
// list leaves out is found by the next round; what it makes up is asked about like everything else, and is only deleted by its own name.
func (w *job) sweep(ctx context.Context, work *rpc.SweepWork) (*rpc.CompleteWorkRequest, error) {
	if work.Epoch == w.epoch {
		return nil, fmt.Errorf("epoch %d is this broker's own", work.Epoch)
	}
	if !w.cfg.View.EpochOver(work.Epoch) {
		// It may have committed to partitions of __batch_coordinates that this broker has not heard of: nobody would be asked about those objects.
		return nil, fmt.Errorf("this broker's view of __metadata does not show yet that epoch %d is over", work.Epoch)
	}
	swept := int64(0)
	for _, prefix := range kafka.EpochPrefixes(w.cfg.Cluster, work.Epoch) {
		if err := w.store.abortUploads(ctx, prefix); err != nil {
			return nil, err
		}
		n, err := w.sweepFolder(ctx, prefix, work.Epoch)
		if err != nil {
			return nil, err
		}
		swept += n
	}
	return &rpc.CompleteWorkRequest{SweptObjects: swept}, nil
}

func (w *job) sweepFolder(ctx context.Context, prefix string, epoch int64) (swept int64, err error) {
	after := ""
	for {
		infos, err := w.store.list(ctx, prefix, after)
		if err != nil {
			return swept, fmt.Errorf("listing %s: %w", prefix, err)
		}
		var found []kafka.ObjectID
		for _, info := range infos {
			if info.Key <= after {
				return swept, fmt.Errorf("listing %s: the store answered %q after %q", prefix, info.Key, after)
			}
			after = info.Key
			if id, ok := kafka.ParseObjectKey(w.cfg.Cluster, info.Key); ok && id.Epoch == epoch {
				found = append(found, id)
			}
		}
		gone, err := w.sweepObjects(ctx, found)
		swept += gone
		if err != nil || len(infos) < listPage {
			return swept, err
		}
	}
}

// sweepObjects asks each coordinator partition about what the ones before it have released.
func (w *job) sweepObjects(ctx context.Context, objects []kafka.ObjectID) (int64, error) {
	for c := range w.cfg.View.BatchCoordinators() {
		if len(objects) == 0 {
			return 0, nil
		}
		released, err := w.checkReleased(ctx, c, objects)
		if err != nil {
			return 0, err
		}
		var free []kafka.ObjectID
		for i, id := range objects {
			if released[i] {
				free = append(free, id)
			}
		}
		objects = free
	}
	deleted, err := w.deleteObjects(ctx, objects)
	return int64(len(deleted)), err
}
