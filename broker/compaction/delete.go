package compaction

import (
	"context"
	"fmt"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// delete deletes what every owner has released. Completing returns the others to the coordinator.
func (w *job) delete(ctx context.Context, leased []rpc.ReleasedObject) (*rpc.CompleteWorkRequest, error) {
	objects, err := w.releasedEverywhere(ctx, leased)
	if err != nil {
		return nil, err
	}
	deleted, err := w.deleteObjects(ctx, objects)
	if err != nil && (len(deleted) == 0 || ctx.Err() != nil) {
		return nil, err
	}
	done := &rpc.CompleteWorkRequest{Deleted: deleted}
	if w.partial = err; err != nil { // what is gone is reported all the same
		done.Cause, _ = failWork(err)
	}
	return done, nil
}

// releasedEverywhere keeps the objects that the other owning partitions have released, too.
func (w *job) releasedEverywhere(ctx context.Context, objects []rpc.ReleasedObject) ([]kafka.ObjectID, error) {
	ask := map[int32][]kafka.ObjectID{}
	for _, o := range objects {
		for _, c := range o.Coordinators {
			if c != w.coordinator {
				ask[c] = append(ask[c], o.Object)
			}
		}
	}
	held := map[kafka.ObjectID]bool{}
	for c, ids := range ask {
		released, err := w.checkReleased(ctx, c, ids)
		if err != nil {
			return nil, err
		}
		for i, id := range ids {
			if !released[i] {
				held[id] = true
			}
		}
	}
	var free []kafka.ObjectID
	for _, o := range objects {
		if !held[o.Object] {
			free = append(free, o.Object)
		}
	}
	return free, nil
}

func (w *job) checkReleased(ctx context.Context, coordinator int32, ids []kafka.ObjectID) ([]bool, error) {
	resp, err := w.cfg.Work.CheckReleased(ctx, &rpc.CheckReleasedRequest{Coordinator: coordinator, Objects: ids})
	if err != nil {
		return nil, fmt.Errorf("asking coordinator partition %d what it has released: %w", coordinator, err)
	}
	if len(resp.Released) != len(ids) {
		return nil, fmt.Errorf("coordinator partition %d answered for %d of %d objects", coordinator, len(resp.Released), len(ids))
	}
	return resp.Released, nil
}

// deleteObjects returns the objects that are gone; the error names one that is not.
func (w *job) deleteObjects(ctx context.Context, objects []kafka.ObjectID) (deleted []kafka.ObjectID, failed error) {
	if len(objects) == 0 {
		return nil, nil
	}
	keys := make([]string, len(objects))
	for i, o := range objects {
		keys[i] = o.Key(w.cfg.Cluster)
	}
	for i, err := range w.store.deleteMany(ctx, keys) {
		if err == nil {
			deleted = append(deleted, objects[i])
		} else if failed == nil {
			failed = fmt.Errorf("deleting %s: %w", keys[i], err)
		}
	}
	w.metrics.deleted(len(deleted), len(objects)-len(deleted))
	return deleted, failed
}
