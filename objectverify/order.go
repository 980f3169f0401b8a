package objectverify

import (
	"context"
	"fmt"
	"slices"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// orderFaults are what is wrong with the coordinates of one answer, which was asked for from the offset seen on.
func orderFaults(seen int64, pc *rpc.PartitionCoordinates) (faults []string) {
	next := max(seen, pc.LogStartOffset)
	gap := func(to int64) {
		if to > next && to > pc.HolesBelow {
			faults = append(faults, fmt.Sprintf("no coordinate has offsets %d to %d", max(next, pc.HolesBelow), to-1))
		}
	}
	for i := range pc.Coordinates {
		c := &pc.Coordinates[i]
		if i == 0 && seen != beginning && c.LastOffset == seen {
			next = c.LastOffset + 1 // it was judged with the page before
			continue
		}
		switch {
		case c.LastOffset < c.BaseOffset || c.BaseOffset < 0 || c.Bytes <= 0 || c.Batches <= 0 || c.Position < 0:
			faults = append(faults, fmt.Sprintf("a coordinate makes no sense: offsets %d to %d, %d batches in bytes %d+%d of object %s", c.BaseOffset, c.LastOffset, c.Batches, c.Position,
				c.Bytes, c.Object))
		case c.LastOffset < pc.LogStartOffset:
			faults = append(faults, fmt.Sprintf("offsets %d to %d are below the log start %d", c.BaseOffset, c.LastOffset, pc.LogStartOffset))
			continue
		case i > 0 && c.BaseOffset < next:
			faults = append(faults, fmt.Sprintf("offsets %d to %d are in two coordinates, the second in object %s", c.BaseOffset, next-1, c.Object))
		}
		gap(c.BaseOffset)
		next = c.LastOffset + 1
	}
	if pc.Complete {
		gap(pc.HighWatermark)
		if next > pc.HighWatermark {
			faults = append(faults, fmt.Sprintf("coordinates end at %d, the high watermark is %d", next-1, pc.HighWatermark))
		}
	}
	return faults
}

// checkOrder judges a page, and reports what a second look shows, too.
func (v *Verifier) checkOrder(ctx context.Context, p partition, seen int64, pc *rpc.PartitionCoordinates) error {
	if len(orderFaults(seen, pc)) == 0 {
		return nil
	}
	limit := len(pc.Coordinates) // what comes behind is the next page's
	if pc.Complete {
		limit = v.cfg.Page
	}
	again, err := v.look(ctx, p, max(seen, 0), int32(limit))
	if err != nil {
		return v.unchecked(ctx, fmt.Sprintf("partition %s from offset %d on", p.tp, max(seen, 0)), err)
	}
	if again == nil || again.Deleting {
		return nil
	}
	for _, f := range orderFaults(seen, again) {
		v.found(p.finding(Coordinates, "", f))
	}
	return nil
}

// sums adds up the coordinates of the partition that is being walked.
type sums struct {
	state        rpc.PartitionCoordinates // without coordinates, as of the first page
	bytes, count int64
	changed      bool
}

// checkSums compares at the partition's end. Pages of different states say nothing: then it is walked again, and in the end left.
func (v *Verifier) checkSums(ctx context.Context, p partition, seen int64, pc *rpc.PartitionCoordinates, fresh []rpc.Coordinate, s *sums) error {
	s.add(seen, pc, fresh)
	if !pc.Complete || !s.changed && s.right() {
		return nil
	}
	for range 3 {
		again, err := v.sum(ctx, p)
		if err != nil {
			return v.unchecked(ctx, fmt.Sprintf("the sums of partition %s", p.tp), err)
		}
		if again == nil {
			return nil
		}
		if again.changed {
			continue
		}
		if !again.right() {
			v.found(p.finding(Sums, "", fmt.Sprintf("its state says %d coordinates of %d bytes, it has %d of %d bytes", again.state.Count, again.state.Bytes, again.count, again.bytes)))
		}
		return nil
	}
	v.count(func(r *Report) { r.Unsettled++ })
	return nil
}

func (s *sums) right() bool { return s.count == s.state.Count && s.bytes == s.state.Bytes }

func (s *sums) add(seen int64, pc *rpc.PartitionCoordinates, fresh []rpc.Coordinate) {
	state := *pc
	state.Coordinates, state.Complete = nil, false
	if seen == beginning {
		*s = sums{state: state}
	}
	a, b := &s.state, &state
	s.changed = s.changed || a.Count != b.Count || a.Bytes != b.Bytes || a.LogStartOffset != b.LogStartOffset || a.HighWatermark != b.HighWatermark
	for i := range fresh {
		s.bytes += int64(fresh[i].Bytes)
		s.count++
	}
}

// sum walks a partition for its sums alone; nil if it went meanwhile.
func (v *Verifier) sum(ctx context.Context, p partition) (*sums, error) {
	s, seen := &sums{}, beginning
	for {
		pc, err := v.look(ctx, p, max(seen, 0), int32(v.cfg.Page))
		if err != nil || pc == nil || pc.Deleting {
			return nil, err
		}
		fresh := unseen(seen, pc)
		s.add(seen, pc, fresh)
		if pc.Complete {
			return s, nil
		}
		if len(fresh) == 0 {
			return nil, fmt.Errorf("no coordinates behind offset %d in an incomplete answer", seen)
		}
		seen = fresh[len(fresh)-1].LastOffset
	}
}

// checkReferences asks the coordinator whether it counts the objects of its coordinates as referred to.
func (v *Verifier) checkReferences(ctx context.Context, p partition, coordinates []rpc.Coordinate) error {
	objects := make([]kafka.ObjectID, 0, len(coordinates))
	for i := range coordinates {
		if id := coordinates[i].Object; len(objects) == 0 || objects[len(objects)-1] != id {
			objects = append(objects, id)
		}
	}
	if len(objects) == 0 {
		return nil
	}
	d, err := v.cfg.Metadata.DescribeObjects(ctx, &rpc.DescribeObjectsRequest{Coordinator: p.coordinator, MetadataOffset: -1, Objects: objects})
	if err != nil {
		return v.unchecked(ctx, fmt.Sprintf("what coordinator %d knows of the objects of partition %s", p.coordinator, p.tp), err)
	}
	if len(d.Objects) != len(objects) {
		return fmt.Errorf("coordinator %d answered about %d objects, %d were asked for", p.coordinator, len(d.Objects), len(objects))
	}
	for i := range d.Objects {
		if d.Objects[i].State == rpc.ObjectReferenced {
			continue
		}
		// The object is without references for ever: is the coordinate still there?
		n := slices.IndexFunc(coordinates, func(c rpc.Coordinate) bool { return c.Object == objects[i] })
		now, err := v.look(ctx, p, coordinates[n].BaseOffset, int32(v.cfg.Page))
		if err != nil {
			return v.unchecked(ctx, fmt.Sprintf("partition %s from offset %d on", p.tp, coordinates[n].BaseOffset), err)
		}
		if now != nil && holds(now, &coordinates[n]) {
			v.found(p.finding(Dangling, objects[i].Key(v.cfg.Cluster), fmt.Sprintf("offsets %d to %d refer to it, and the coordinator does not count them: it may be deleted",
				coordinates[n].BaseOffset, coordinates[n].LastOffset)))
		}
	}
	return nil
}
