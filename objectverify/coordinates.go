package objectverify

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// partition names a partition and its coordinator.
type partition struct {
	coordinator int32
	tp          kafka.TopicIDPartition
}

func (p partition) finding(kind Kind, key, text string) Finding {
	return Finding{Kind: kind, Coordinator: p.coordinator, Partition: p.tp, Key: key, Text: text}
}

// walkCoordinator goes through all coordinates of one coordinator partition. Pages of a partition overlap by one coordinate, so that each can be judged by itself.
func (v *Verifier) walkCoordinator(ctx context.Context, coordinator int32) error {
	req := &rpc.DescribeCoordinatesRequest{Coordinator: coordinator, MaxCoordinates: int32(v.cfg.Page)}
	sums, open := &sums{}, beginning // open is the last offset that was seen of req.From
	for {
		page, err := v.cfg.Metadata.DescribeCoordinates(ctx, req)
		if err != nil {
			return fmt.Errorf("listing the coordinates of coordinator %d from %s, offset %d on: %w", coordinator, req.From, req.Offset, err)
		}
		before, beforeOpen := *req, open
		for i := range page.Partitions {
			pc := &page.Partitions[i]
			if pc.Partition != before.From || i > 0 {
				open = beginning
			}
			if open == beginning {
				v.count(func(r *Report) { r.Partitions++ })
			}
			if err := v.checkPage(ctx, partition{coordinator, pc.Partition}, open, pc, sums); err != nil {
				return err
			}
			req.From, req.Offset, open = pc.Partition, 0, beginning
			if pc.Complete {
				req.From.Partition++
			} else if n := len(pc.Coordinates); n > 0 {
				open = pc.Coordinates[n-1].LastOffset
				req.Offset = open
			}
		}
		switch {
		case len(page.Partitions) == 0:
			return nil
		case *req == before && open == beforeOpen:
			return fmt.Errorf("listing the coordinates of coordinator %d does not get on at %s, offset %d", coordinator, req.From, req.Offset)
		case !page.More && page.Partitions[len(page.Partitions)-1].Complete:
			return nil
		}
	}
}

// beginning is "the last offset that was seen" where nothing was.
const beginning int64 = -1

// unseen are the coordinates that the page before did not have.
func unseen(seen int64, pc *rpc.PartitionCoordinates) []rpc.Coordinate {
	if seen != beginning && len(pc.Coordinates) > 0 && pc.Coordinates[0].LastOffset == seen {
		return pc.Coordinates[1:]
	}
	return pc.Coordinates
}

// checkPage looks at what a page has of one partition, from the offset seen on.
func (v *Verifier) checkPage(ctx context.Context, p partition, seen int64, pc *rpc.PartitionCoordinates, s *sums) error {
	tally := &v.tallies[p.coordinator]
	if pc.Deleting {
		tally.incomplete = true
		return nil // what is left of it goes anyway
	}
	if err := v.checkOrder(ctx, p, seen, pc); err != nil {
		return err
	}
	fresh := unseen(seen, pc)
	for i := range fresh {
		tally.coordinate(&fresh[i])
	}
	if err := v.checkSums(ctx, p, seen, pc, fresh, s); err != nil {
		return err
	}
	if err := v.checkReferences(ctx, p, fresh); err != nil {
		return err
	}
	return v.checkObjects(ctx, p, fresh)
}

// checkObjects reads the objects of coordinates, some at once.
func (v *Verifier) checkObjects(ctx context.Context, p partition, coordinates []rpc.Coordinate) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan *rpc.Coordinate)
	var readers sync.WaitGroup
	for range min(v.cfg.Readers, len(coordinates)) {
		readers.Go(func() {
			for c := range next {
				if err := v.settle(ctx, p, *c, maxSuccessors); err != nil {
					cancel(err)
				}
			}
		})
	}
feed:
	for i := range coordinates {
		select {
		case next <- &coordinates[i]:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	readers.Wait()
	return context.Cause(ctx)
}

// maxSuccessors is how often a coordinate may be replaced while it is looked at.
const maxSuccessors = 5

// settle looks at one coordinate, until it is right, wrong, or gone.
func (v *Verifier) settle(ctx context.Context, p partition, c rpc.Coordinate, successors int) error {
	what := fmt.Sprintf("partition %s, offsets %d to %d in object %s", p.tp, c.BaseOffset, c.LastOffset, c.Object)
	for attempt := 0; ; attempt++ {
		err := v.checkCoordinate(ctx, p.tp, &c)
		if err == nil {
			v.count(func(r *Report) { r.Coordinates++; r.Bytes += int64(c.Bytes) })
			return nil
		}
		var wrong *fault
		if !errors.As(err, &wrong) {
			return v.unchecked(ctx, what, err)
		}
		now, err := v.look(ctx, p, c.BaseOffset, int32(v.cfg.Page))
		if err != nil {
			return v.unchecked(ctx, what, err)
		}
		if now == nil || !holds(now, &c) {
			v.count(func(r *Report) { r.Replaced++ })
			return v.settleSuccessors(ctx, p, &c, now, successors)
		}
		if attempt > 0 { // seen twice, and the coordinator still refers to it
			v.count(func(r *Report) { r.Coordinates++; r.Bytes += int64(c.Bytes) })
			v.found(p.finding(wrong.kind, c.Object.Key(v.cfg.Cluster), fmt.Sprintf("offsets %d to %d: %s", c.BaseOffset, c.LastOffset, wrong.text)))
			return nil
		}
		v.footers.forget(c.Object)
	}
}

// settleSuccessors looks at what has taken the place of a coordinate; nothing, if it expired.
func (v *Verifier) settleSuccessors(ctx context.Context, p partition, c *rpc.Coordinate, now *rpc.PartitionCoordinates, successors int) error {
	if now == nil || now.Deleting {
		return nil
	}
	if successors == 0 {
		return v.unchecked(ctx, fmt.Sprintf("partition %s, offsets %d to %d", p.tp, c.BaseOffset, c.LastOffset), errors.New("they are replaced all the time"))
	}
	for _, s := range now.Coordinates {
		if s.BaseOffset > c.LastOffset {
			break
		}
		if err := v.settle(ctx, p, s, successors-1); err != nil {
			return err
		}
	}
	return nil
}

// look is the partition from an offset on, linearizably; nil if there is nothing of it any more.
func (v *Verifier) look(ctx context.Context, p partition, offset int64, limit int32) (*rpc.PartitionCoordinates, error) {
	resp, err := v.cfg.Metadata.DescribeCoordinates(ctx, &rpc.DescribeCoordinatesRequest{Coordinator: p.coordinator, From: p.tp, Offset: offset, MaxCoordinates: limit})
	if err != nil {
		return nil, err
	}
	if len(resp.Partitions) == 0 || resp.Partitions[0].Partition != p.tp {
		return nil, nil
	}
	return &resp.Partitions[0], nil
}

func holds(pc *rpc.PartitionCoordinates, c *rpc.Coordinate) bool {
	if pc.Deleting {
		return false
	}
	for i := range pc.Coordinates {
		if pc.Coordinates[i] == *c {
			return true
		}
		if pc.Coordinates[i].BaseOffset > c.BaseOffset {
			break
		}
	}
	return false
}
