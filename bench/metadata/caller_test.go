package main

import "testing"

// TestObject: every object has the segments and batches that its figure names, each partition once.
func TestObject(t *testing.T) {
	for _, want := range []struct{ first, segments, partitions, batches int }{
		{0, largePartitions, largePartitions, largeBatches}, {largePartitions - 1, commitSegments, largePartitions, commitSegments}, {0, startPartitions, startPartitions, startPartitions},
	} {
		c := &caller{id: 1, epoch: 7}
		o := c.object(want.first, want.segments, want.partitions, want.batches).Objects[0]
		batches, bytes, seen := 0, int64(0), map[int32]bool{}
		for _, s := range o.Segments {
			if s.Position != bytes {
				t.Errorf("%+v: a segment at %d, want %d", want, s.Position, bytes)
			}
			if p := s.Partition.Partition; seen[p] || p < 0 || int(p) >= want.partitions || len(s.Batches) == 0 {
				t.Errorf("%+v: partition %d with %d batches", want, p, len(s.Batches))
			}
			seen[s.Partition.Partition] = true
			batches += len(s.Batches)
			for _, b := range s.Batches {
				bytes += int64(b.Bytes)
			}
		}
		if len(o.Segments) != want.segments || batches != want.batches || bytes != o.ObjectBytes {
			t.Errorf("%+v: %d segments with %d batches of %d bytes, the object says %d", want, len(o.Segments), batches, bytes, o.ObjectBytes)
		}
	}
}

func TestChosen(t *testing.T) {
	if all, err := chosen(""); err != nil || len(all) != len(measurements) {
		t.Errorf("%v, %v; want all", all, err)
	}
	if some, err := chosen("idle,start"); err != nil || len(some) != 2 {
		t.Errorf("%v, %v", some, err)
	}
	if some, err := chosen("idle,stop"); err == nil {
		t.Errorf("an unknown name was taken: %v", some)
	}
}
