package objectverify

import (
	"context"
	"fmt"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// tally compares a coordinator's counts of references with its coordinates: an object that is counted too often is never deleted. Both sides are added up in a form that does
// not depend on the order, so that nothing is kept of the objects. The two walks lie apart: they are compared where the coordinator's topic shows that nothing changed in between.
type tally struct {
	topicEnd      int64 // of the coordinator's partition of __batch_coordinates, before the first walk
	incomplete    bool  // a topic is being deleted, or something could not be looked at
	coordinates   int64
	references    int64
	byCoordinates uint64
	byObjects     uint64
}

// fingerprint of an object; sums of it differ where objects do.
func fingerprint(id kafka.ObjectID) uint64 {
	h := uint64(id.Epoch)*0x9E3779B97F4A7C15 ^ uint64(id.Sequence)
	for range 2 {
		h ^= h >> 32
		h *= 0xD6E8FEB86659FD93
	}
	return h ^ h>>32
}

func (t *tally) coordinate(c *rpc.Coordinate) {
	t.coordinates++
	t.byCoordinates += fingerprint(c.Object)
}

func (t *tally) object(id kafka.ObjectID, references int64) {
	t.references += references
	t.byObjects += uint64(references) * fingerprint(id)
}

// compareTallies is done at the end of a run.
func (v *Verifier) compareTallies(ctx context.Context) error {
	for c := range v.report.Coordinators {
		t := &v.tallies[c]
		if t.coordinates == t.references && t.byCoordinates == t.byObjects {
			continue
		}
		end, err := v.topicEnd(ctx, rpc.BatchCoordinatesTopic, c)
		if err != nil {
			if err := v.unchecked(ctx, fmt.Sprintf("whether coordinator %d stood still", c), err); err != nil {
				return err
			}
			continue
		}
		if end != t.topicEnd || t.incomplete || v.report.Unchecked > 0 || v.report.ByKind[Missing] > 0 || v.report.ByKind[Dangling] > 0 {
			v.count(func(r *Report) { r.UncountedReferences++ })
			continue
		}
		v.found(Finding{Kind: References, Coordinator: -1, Text: fmt.Sprintf("coordinator %d has %d coordinates and counts %d references of its objects in the bucket to them: "+
			"some object is never deleted, or deleted too early", c, t.coordinates, t.references)})
	}
	return nil
}
