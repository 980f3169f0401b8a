package soak

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// check compares what one reader gets of one partition with the model.
type check struct {
	m       *model
	p       *partitionModel
	start   int64 // the log start and
	end     int64 // high watermark at the start, behind all of acked
	acked   []entry
	cut     int64
	missing []entry
	known   int // of acked, how many were looked for
	last    int64
	numbers map[int]entry    // the last record of a producer
	stretch int64            // where the present run of offsets without a gap began
	view    map[string]int64 // offset of a key's last record
	records int
}

// newCheck takes what is acknowledged now. The high watermark must be asked for later.
func (m *model) newCheck(topic string, partition int32) *check {
	p := m.at(topic, partition)
	m.mu.Lock()
	defer m.mu.Unlock()
	return &check{m: m, p: p, acked: slices.Clone(p.entries), cut: p.cut, last: -1, numbers: map[int]entry{}, view: map[string]int64{}}
}

func (c *check) violated(format string, args ...any) {
	c.m.violated("read-back: %s-%d: %s", c.p.topic.name, c.p.partition, fmt.Sprintf(format, args...))
}

// record is called with each record below the end, as it is read.
func (c *check) record(r *kgo.Record, now time.Time, quiet bool) {
	c.records++
	if r.Offset <= c.last {
		c.violated("offset %d after %d", r.Offset, c.last)
		return
	}
	if r.Offset != c.last+1 {
		c.stretch = r.Offset
	}
	c.last = r.Offset
	if r.Offset < c.cut {
		c.violated("offset %d was deleted with DeleteRecords up to %d", r.Offset, c.cut)
	}
	w, sum, err := readWritten(r)
	if err != nil {
		c.violated("offset %d: %v", r.Offset, err)
		return
	}
	// Numbers rise, by one where no offset is missing.
	if before, ok := c.numbers[w.producer]; ok && (w.number <= before.number || before.offset >= c.stretch && w.number != before.number+1) {
		c.violated("offset %d is record %d of producer %d, after its record %d", r.Offset, w.number, w.producer, before.number)
	}
	c.numbers[w.producer] = entry{offset: r.Offset, written: w}
	c.view[string(r.Key)] = r.Offset
	for c.known < len(c.acked) && c.acked[c.known].offset < r.Offset {
		c.missing = append(c.missing, c.acked[c.known])
		c.known++
	}
	switch {
	case c.known < len(c.acked) && c.acked[c.known].offset == r.Offset:
		if e := c.acked[c.known]; e.written != w || e.sum != sum {
			c.violated("offset %d is record %d of producer %d, it was acknowledged as record %d of producer %d", r.Offset, w.number, w.producer, e.number, e.producer)
		}
		c.known++
	case quiet && r.Offset >= c.first():
		c.violated("offset %d, record %d of producer %d, was never acknowledged at this offset", r.Offset, w.number, w.producer)
	}
	if t := c.p.topic; t.retention > 0 {
		if late := now.Sub(r.Timestamp) - t.retention; late > 0 {
			c.m.mu.Lock()
			c.m.overdue = max(c.m.overdue, late)
			c.m.mu.Unlock()
		}
	}
}

// first is the lowest offset that the model still knows.
func (c *check) first() int64 {
	if len(c.acked) == 0 {
		return 1 << 62
	}
	return c.acked[0].offset
}

// finish judges what was not there, and the view by key.
func (c *check) finish(now time.Time, quiet bool) {
	if n := len(c.acked); n > 0 && c.acked[n-1].offset >= c.end {
		c.violated("offset %d was acknowledged, and later the end was %d", c.acked[n-1].offset, c.end)
	}
	c.missing = append(c.missing, c.acked[c.known:]...)
	c.m.mu.Lock()
	doubts := append(c.p.doubts, c.missing...)
	c.p.doubts = nil
	var broken []string
	for _, e := range doubts {
		why := c.p.mayBeGone(e, now)
		switch {
		case why == "":
		case c.p.topic.compact() && !quiet:
			c.p.doubts = append(c.p.doubts, e) // the record that replaced it may not be acknowledged yet
		default:
			broken = append(broken, fmt.Sprintf("offset %d (record %d of producer %d) is not there; it %s", e.offset, e.number, e.producer, why))
		}
	}
	if c.p.topic.compact() {
		broken = append(broken, c.checkView(now, quiet)...)
	}
	if len(broken) == 0 {
		c.p.forget(c.start)
	}
	c.m.mu.Unlock()
	for _, text := range broken {
		c.violated("%s", text)
	}
}

// checkView compares the last record of each key with the model's.
func (c *check) checkView(now time.Time, quiet bool) (broken []string) {
	want := map[string]entry{}
	for _, e := range c.acked {
		want[e.key] = e
	}
	for key, e := range want {
		got, there := c.view[key]
		switch {
		case c.p.latest[key] > e.offset && !quiet: // written again meanwhile
		case there && got == e.offset:
		case there && got > e.offset && !quiet: // not acknowledged yet
		case there && got > e.offset:
			broken = append(broken, fmt.Sprintf("key %s has offset %d, nothing was acknowledged after %d", key, got, e.offset))
		case there:
			broken = append(broken, fmt.Sprintf("key %s has the old value of offset %d, the latest is of %d (tombstone: %v)", key, got, e.offset, e.tombstone))
		}
	}
	return broken
}

// readBack reads every partition from its start to its present end with a new client and checks it. quiet says that nobody writes any more.
func (s *soak) readBack(ctx context.Context, quiet bool) error {
	checks := map[string]map[int32]*check{}
	var names []string
	for _, t := range s.topics {
		names = append(names, t.name)
		checks[t.name] = map[int32]*check{}
		for p := range t.partitions {
			checks[t.name][p] = s.model.newCheck(t.name, p)
		}
	}
	client, err := s.newClient(kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(time.Second))
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	var starts, ends kadm.ListedOffsets
	if err := retry(ctx, adminTimeout, func(ctx context.Context) (err error) {
		if ends, err = admin.ListEndOffsets(ctx, names...); err == nil {
			err = ends.Error()
		}
		if err == nil {
			starts, err = admin.ListStartOffsets(ctx, names...)
		}
		if err == nil {
			err = starts.Error()
		}
		return err
	}); err != nil {
		return fmt.Errorf("list offsets: %w", err)
	}
	open := map[string]map[int32]kgo.Offset{}
	unread := map[string]map[int32]*check{}
	left := 0
	for name, byPartition := range checks {
		open[name], unread[name] = map[int32]kgo.Offset{}, map[int32]*check{}
		for p, c := range byPartition {
			start, _ := starts.Lookup(name, p)
			end, _ := ends.Lookup(name, p)
			if c.start, c.end = start.Offset, end.Offset; c.start < c.end {
				open[name][p], unread[name][p] = kgo.NewOffset().At(c.start), c
				left++
			}
		}
	}
	client.AddConsumePartitions(open)
	for left > 0 {
		poll, cancel := context.WithTimeout(ctx, 3*time.Second)
		fetches := client.PollFetches(poll)
		cancel()
		if ctx.Err() != nil {
			return fmt.Errorf("%d partitions were not read to their end: %w", left, context.Cause(ctx))
		}
		now := time.Now()
		fetches.EachPartition(func(f kgo.FetchTopicPartition) {
			c := unread[f.Topic][f.Partition]
			for _, r := range f.Records {
				if c != nil && r.Offset < c.end {
					c.record(r, now, quiet)
				}
				if c != nil && r.Offset >= c.end-1 {
					delete(unread[f.Topic], f.Partition)
					left--
					c = nil
				}
			}
		})
		if fetches.NumRecords() > 0 {
			continue
		}
		// What is left may have expired meanwhile.
		if starts, err := admin.ListStartOffsets(ctx, names...); err == nil {
			for name, byPartition := range unread {
				for p, c := range byPartition {
					if start, ok := starts.Lookup(name, p); ok && start.Err == nil && start.Offset >= c.end {
						delete(byPartition, p)
						left--
					}
				}
			}
		}
	}
	for _, byPartition := range checks {
		for _, c := range byPartition {
			c.finish(time.Now(), quiet)
			s.readRecords += int64(c.records)
		}
	}
	s.readBacks++
	return nil
}
