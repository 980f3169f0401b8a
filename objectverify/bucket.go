package objectverify

import (
	"context"
	"errors"
	"fmt"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/rpc"
)

// listed is an object of the bucket.
type listed struct {
	objectstorage.Info
	id kafka.ObjectID
}

// walkBucket goes through all keys of the cluster.
func (v *Verifier) walkBucket(ctx context.Context) error {
	prefix, after := string(v.cfg.Cluster)+"/", ""
	for {
		page, err := v.cfg.Bucket.List(ctx, prefix, after, v.cfg.Page)
		if err != nil {
			return fmt.Errorf("listing %s in %s after %q: %w", prefix, v.cfg.Bucket, after, err)
		}
		if len(page) == 0 {
			return nil
		}
		objects := make([]listed, 0, len(page))
		for _, info := range page {
			if info.Key <= after {
				return fmt.Errorf("listing %s in %s: the store answered %q after %q", prefix, v.cfg.Bucket, info.Key, after)
			}
			after = info.Key
			v.count(func(r *Report) { r.Objects++; r.ObjectBytes += info.Bytes })
			id, ok := kafka.ParseObjectKey(v.cfg.Cluster, info.Key)
			if !ok {
				if err := v.foreign(ctx, info.Key); err != nil {
					return err
				}
				continue
			}
			objects = append(objects, listed{info, id})
		}
		if err := v.explain(ctx, objects); err != nil {
			return err
		}
	}
}

// foreign reports a key that is nobody's, if it is still there.
func (v *Verifier) foreign(ctx context.Context, key string) error {
	switch _, err := v.cfg.Bucket.Head(ctx, key); {
	case errors.Is(err, objectstorage.ErrNotFound):
	case err != nil:
		return v.unchecked(ctx, "whether "+key+" is there", err)
	default:
		v.found(Finding{Kind: Foreign, Coordinator: -1, Key: key, Text: "no broker writes a key like this; see whose it is, and delete it by hand"})
	}
	return nil
}

// explain finds the reason of each object, and looks again at those without one.
func (v *Verifier) explain(ctx context.Context, objects []listed) error {
	known, err := v.describe(ctx, objects)
	if err != nil {
		return v.unchecked(ctx, fmt.Sprintf("why %d objects from %s on are there", len(objects), firstKey(objects)), err)
	}
	var doubtful []listed
	for i := range objects {
		if kind, _ := judge(&objects[i], &known[i]); kind != "" {
			doubtful = append(doubtful, objects[i])
			continue
		}
		v.countExplained(&objects[i], &known[i])
	}
	if len(doubtful) == 0 {
		return nil
	}
	// It may have been committed, released or deleted since. First the bucket, then the coordinators.
	var present []listed
	for _, o := range doubtful {
		info, err := v.cfg.Bucket.Head(ctx, o.Key)
		switch {
		case errors.Is(err, objectstorage.ErrNotFound):
		case err != nil:
			if err := v.unchecked(ctx, "whether "+o.Key+" is there", err); err != nil {
				return err
			}
		default:
			o.Bytes = info.Bytes
			present = append(present, o)
		}
	}
	if known, err = v.describe(ctx, present); err != nil {
		return v.unchecked(ctx, fmt.Sprintf("why %d objects from %s on are there", len(present), firstKey(present)), err)
	}
	for i := range present {
		kind, text := judge(&present[i], &known[i])
		if kind == "" {
			v.countExplained(&present[i], &known[i])
			continue
		}
		v.tally(&present[i], &known[i])
		v.found(Finding{Kind: kind, Coordinator: -1, Key: present[i].Key, Text: text})
		if kind == Unreferenced {
			if err := v.repair(ctx, &present[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func firstKey(objects []listed) string {
	if len(objects) == 0 {
		return ""
	}
	return objects[0].Key
}

// reasons is what all coordinator partitions know of an object.
type reasons struct {
	rpc.ObjectDescription
	counts    []counted // by the partitions that count references to it
	mayCommit bool      // in one partition at least
	ending    bool
	unissued  bool
}

// describe asks every coordinator partition about the objects.
func (v *Verifier) describe(ctx context.Context, objects []listed) ([]reasons, error) {
	if len(objects) == 0 {
		return nil, nil
	}
	end, err := v.topicEnd(ctx, rpc.MetadataTopic, 0) // an epoch above it is nobody's
	if err != nil {
		return nil, err
	}
	req := &rpc.DescribeObjectsRequest{MetadataOffset: end - 1, Objects: make([]kafka.ObjectID, len(objects))}
	for i := range objects {
		req.Objects[i] = objects[i].id
	}
	all := make([]reasons, len(objects))
	for c := range v.report.Coordinators {
		req.Coordinator = c
		resp, err := v.cfg.Metadata.DescribeObjects(ctx, req)
		if err != nil {
			return nil, err
		}
		if len(resp.Objects) != len(objects) {
			return nil, fmt.Errorf("coordinator %d answered about %d objects, %d were asked for", c, len(resp.Objects), len(objects))
		}
		for i := range resp.Objects {
			all[i].add(c, &resp.Objects[i])
		}
	}
	return all, nil
}

// counted is how many references a coordinator counts.
type counted struct {
	coordinator int32
	references  int64
}

func (r *reasons) add(coordinator int32, d *rpc.ObjectDescription) {
	if d.References > 0 {
		r.counts = append(r.counts, counted{coordinator, d.References})
	}
	if d.State == rpc.ObjectReferenced || r.State == rpc.ObjectUnknown {
		r.State = d.State
	}
	r.Bytes = max(r.Bytes, d.Bytes)
	r.SweepPlanned, r.SweepParked = r.SweepPlanned || d.SweepPlanned, r.SweepParked || d.SweepParked
	r.mayCommit = r.mayCommit || d.Epoch == rpc.EpochLive
	r.ending = r.ending || d.Epoch == rpc.EpochEnding
	r.unissued = r.unissued || d.Epoch == rpc.EpochUnissued
}

// judge says what is wrong with an object; "" if it is explained.
func judge(o *listed, r *reasons) (kind Kind, text string) {
	switch {
	case r.State != rpc.ObjectUnknown:
		if r.Bytes != o.Bytes {
			return Mismatch, fmt.Sprintf("it has %d bytes, %d were committed", o.Bytes, r.Bytes)
		}
	case r.mayCommit, r.ending, r.SweepPlanned:
	case r.unissued:
		return Unissued, fmt.Sprintf("no broker has had epoch %d; it may be a copy from another cluster of that name: see whose it is, and delete it by hand", o.id.Epoch)
	default:
		return Unreferenced, fmt.Sprintf("%d bytes of the fenced epoch %d that nothing refers to, and whose sweeps are over", o.Bytes, o.id.Epoch)
	}
	return "", ""
}

// tally adds up the references of an object.
func (v *Verifier) tally(o *listed, r *reasons) {
	for _, n := range r.counts {
		v.tallies[n.coordinator].object(o.id, n.references)
	}
}

func (v *Verifier) countExplained(o *listed, r *reasons) {
	v.tally(o, r)
	v.count(func(c *Report) {
		switch {
		case r.State == rpc.ObjectReferenced:
			c.Referenced++
		case r.State != rpc.ObjectUnknown:
			c.Released++
		case r.mayCommit:
			c.InFlight++
			age := v.cfg.Clock.Now().Sub(o.Modified)
			if age > v.cfg.OldUpload {
				c.OldInFlight++
			}
			if c.OldestInFlight == "" || age > c.OldestInFlightAge {
				c.OldestInFlight, c.OldestInFlightAge = o.Key, age
			}
		default:
			c.Sweeping++
			if r.SweepParked {
				c.SweepParked++
			}
		}
	})
}

// repair deletes an unreferenced object once every coordinator partition has said that no commit of it can come any more.
func (v *Verifier) repair(ctx context.Context, o *listed) error {
	v.count(func(r *Report) { r.Repairable++; r.RepairableBytes += o.Bytes })
	if !v.cfg.Repair {
		return nil
	}
	d, err := v.cfg.Metadata.DescribeCluster(ctx, &rpc.DescribeClusterRequest{})
	if err == nil && d.BatchCoordinators != v.report.Coordinators {
		err = fmt.Errorf("the cluster has %d batch coordinators, and had %d when this run began: it stays; run again", d.BatchCoordinators, v.report.Coordinators)
	}
	if err != nil {
		return v.unchecked(ctx, "whether "+o.Key+" may be deleted", err)
	}
	for c := range v.report.Coordinators {
		resp, err := v.cfg.Metadata.CheckReleased(ctx, &rpc.CheckReleasedRequest{Coordinator: c, Objects: []kafka.ObjectID{o.id}})
		if err != nil {
			return v.unchecked(ctx, "whether "+o.Key+" may be deleted", err)
		}
		if len(resp.Released) != 1 || !resp.Released[0] {
			return v.unchecked(ctx, "whether "+o.Key+" may be deleted", fmt.Errorf("coordinator %d has not released it: it stays", c))
		}
	}
	if err := v.cfg.Bucket.DeleteMany(ctx, []string{o.Key})[0]; err != nil {
		return v.unchecked(ctx, "deleting "+o.Key, err)
	}
	v.count(func(r *Report) { r.Repaired++; r.RepairedBytes += o.Bytes })
	return nil
}
