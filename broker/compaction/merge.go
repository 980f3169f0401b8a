package compaction

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/objectformat"
	"github.com/inkwell-project/inkwell/rpc"
)

// merge writes all batches of the leased runs into one object, sorted by partition and offset.
func (w *job) merge(ctx context.Context, work *rpc.MergeWork) (*rpc.CompleteWorkRequest, error) {
	runs := slices.Clone(work.Partitions)
	slices.SortFunc(runs, func(a, b rpc.PartitionRun) int {
		if c := objectformat.Compare(a.Partition, b.Partition); c != 0 || len(a.Coordinates) == 0 || len(b.Coordinates) == 0 {
			return c
		}
		return cmp.Compare(a.Coordinates[0].BaseOffset, b.Coordinates[0].BaseOffset)
	})
	var coordinates []rpc.Coordinate
	var runOf []int
	for i, run := range runs {
		if err := checkRun(run); err != nil {
			return nil, err
		}
		coordinates = append(coordinates, run.Coordinates...)
		for range run.Coordinates {
			runOf = append(runOf, i)
		}
	}
	if len(runs) == 0 {
		return &rpc.CompleteWorkRequest{}, nil
	}
	w.tookOn(runs...)
	out, err := w.newOutput(ctx)
	if err != nil {
		return nil, err
	}
	defer out.abort()
	begun := -1
	err = w.scan(ctx, coordinates, func(coordinate int, b recordbatch.Batch) error {
		if run := runOf[coordinate]; run != begun {
			out.Begin(runs[run].Partition)
			begun = run
		}
		_, err := out.Add(b)
		return err
	})
	if err != nil {
		return nil, err
	}
	segments, objectBytes, err := out.finish()
	if err != nil {
		return nil, err
	}
	if len(segments) != len(runs) {
		return nil, fmt.Errorf("%d segments were made of %d runs", len(segments), len(runs))
	}
	done := &rpc.CompleteWorkRequest{Outputs: []rpc.OutputObject{{Object: out.object, ObjectBytes: objectBytes}}}
	for i, run := range runs {
		done.Segments = append(done.Segments, replaced(run, mergedCoordinate(out, segments[i], run)))
	}
	return done, nil
}

// tookOn puts what the job is about to read to the accounts of topics.
func (w *job) tookOn(runs ...rpc.PartitionRun) {
	if w.cfg.TookOn == nil {
		return
	}
	for _, run := range runs {
		bytes := int64(0)
		for i := range run.Coordinates {
			bytes += int64(run.Coordinates[i].Bytes)
		}
		w.cfg.TookOn(w.kind, run.Partition.ID, bytes)
	}
}

// checkRun refuses a lease whose runs are none.
func checkRun(run rpc.PartitionRun) error {
	if len(run.Coordinates) == 0 {
		return fmt.Errorf("partition %v comes without coordinates", run.Partition)
	}
	for i, c := range run.Coordinates {
		if c.Bytes <= 0 || c.LastOffset < c.BaseOffset || i > 0 && c.BaseOffset <= run.Coordinates[i-1].LastOffset {
			return fmt.Errorf("partition %v: coordinate %d has %d bytes and offsets %d to %d", run.Partition, i, c.Bytes, c.BaseOffset, c.LastOffset)
		}
	}
	return nil
}

// mergedCoordinate is the run as one coordinate.
func mergedCoordinate(out *output, s objectformat.Segment, run rpc.PartitionRun) rpc.Coordinate {
	c := stampedCoordinate(out, s)
	c.BaseOffset, c.LastOffset = run.Coordinates[0].BaseOffset, run.Coordinates[len(run.Coordinates)-1].LastOffset
	return c
}

// stampedCoordinate is a segment that a job wrote.
func stampedCoordinate(out *output, s objectformat.Segment) rpc.Coordinate {
	return rpc.Coordinate{
		Object: out.object, Position: s.Position, Bytes: int32(s.Bytes), BaseOffset: s.BaseOffset, LastOffset: s.LastOffset, MaxTimestamp: s.MaxTimestamp,
		AppendTimestamp: -1, Batches: s.Batches, Stamped: true, IndexPosition: s.IndexPosition, IndexBytes: s.IndexBytes,
	}
}

func replaced(run rpc.PartitionRun, by ...rpc.Coordinate) rpc.ReplacedSegment {
	return rpc.ReplacedSegment{
		Partition: run.Partition, BaseOffset: run.Coordinates[0].BaseOffset, LastOffset: run.Coordinates[len(run.Coordinates)-1].LastOffset,
		Inputs: int32(len(run.Coordinates)), Coordinates: by,
	}
}
