package state

import (
	"encoding/binary"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// Commits wait in a queue, in the order of the log, until there are enough of them to be merged together: a group. The commits of a group follow one
// another, so that a partition's coordinates in it do, too. An entry of the queue names the coordinates that the commit brought, and goes with its group.

// queue is what is known of the commits that are in no group yet.
type queue struct {
	first, next int64 // sequences
	objects     int64
	bytes       int64
	coordinates int64
	oldest      int64 // time of the first commit
	lastGroup   int64
}

func (q *queue) appendValue(b []byte) []byte {
	b = append(b, valueVersion)
	for _, v := range [...]int64{q.first, q.next, q.objects, q.bytes, q.coordinates, q.oldest, q.lastGroup} {
		b = binary.AppendVarint(b, v)
	}
	return b
}

func readQueue(v []byte) queue {
	r := readValue(v, "queue")
	return queue{first: r.int(), next: r.int(), objects: r.int(), bytes: r.int(), coordinates: r.int(), oldest: r.int(), lastGroup: r.int()}
}

// QueueSize is how much waits to be merged.
type QueueSize struct{ Objects, Bytes, Coordinates int64 }

// Full says whether a group can be made of it.
func (q QueueSize) Full(p *WorkPolicy) bool {
	return q.Objects >= p.MergeObjects || q.Bytes >= p.MergeBytes || q.Coordinates >= p.MergeCoordinates
}

// due says when a group is to be made, 0 for now: when there is enough, or when the oldest commit has waited long enough; false for never.
func (q *queue) due(p *WorkPolicy) (atMillis int64, ok bool) {
	switch {
	case q.objects == 0:
		return 0, false
	case QueueSize{q.objects, q.bytes, q.coordinates}.Full(p):
		return 0, true
	}
	return later(q.oldest, p.MergeAgeMillis), true
}

const (
	scalarQueue        = "queue"
	scalarTurn         = "turn"
	scalarDeletingTurn = "deleting turn" // of requests for nothing that rewrites
)

func (m *Machine) queue() queue {
	m.key = scalarKey(m.key[:0], scalarQueue)
	v, ok := m.tx.Get(m.key)
	if !ok {
		return queue{}
	}
	return readQueue(v)
}

func (m *Machine) putQueue(q *queue) {
	m.key = scalarKey(m.key[:0], scalarQueue)
	m.value = q.appendValue(m.value[:0])
	m.tx.Set(m.key, m.value)
}

// queuedCommit is one entry.
type queuedCommit struct {
	object      kafka.ObjectID
	committed   int64
	bytes       int64
	coordinates int64
	rest        valueReader // of the list of coordinates
}

// enqueue remembers what a commit brought.
func (m *Machine) enqueue(c *topics.ObjectCommitted) {
	q := m.queue()
	var bytes, coordinates int64
	for i := range c.Segments {
		for j := range c.Segments[i].Coordinates {
			bytes += int64(c.Segments[i].Coordinates[j].Bytes)
			coordinates++
		}
	}
	b := append(m.value[:0], valueVersion)
	b = binary.AppendVarint(b, c.Object.Epoch)
	b = binary.AppendVarint(b, c.Object.Sequence)
	b = binary.AppendVarint(b, m.now)
	b = binary.AppendVarint(b, bytes)
	b = binary.AppendUvarint(b, uint64(coordinates))
	var topic kafka.TopicID
	for i := range c.Segments {
		s := &c.Segments[i]
		for j := range s.Coordinates {
			if s.Partition.ID != topic { // a topic's partitions mostly come together
				topic = s.Partition.ID
				b = append(append(b, 1), topic[:]...)
			} else {
				b = append(b, 0)
			}
			b = binary.AppendVarint(b, int64(s.Partition.Partition))
			b = binary.AppendVarint(b, s.Coordinates[j].LastOffset)
		}
	}
	m.value = b
	m.key = appendNumberKey(m.key[:0], prefixQueue, q.next)
	m.tx.Set(m.key, m.value)
	if q.objects == 0 {
		q.oldest = max(m.now, 0)
	}
	q.next++
	q.objects++
	q.bytes += bytes
	q.coordinates += coordinates
	m.putQueue(&q)
	m.queued.Objects++
	m.queued.Bytes += bytes
	m.queued.Coordinates += coordinates
	m.queueSize = QueueSize{q.objects, q.bytes, q.coordinates}
}

func readQueuedCommit(v []byte) queuedCommit {
	r := readValue(v, "queued commit")
	c := queuedCommit{object: kafka.ObjectID{Epoch: r.int(), Sequence: r.int()}, committed: r.int(), bytes: r.int(), coordinates: int64(r.uint())}
	c.rest = r
	return c
}

// each calls fn for each coordinate, by its last offset.
func (c *queuedCommit) each(fn func(tp kafka.TopicIDPartition, lastOffset int64)) {
	r := c.rest
	var tp kafka.TopicIDPartition
	for range c.coordinates {
		if r.byte() != 0 {
			if len(r.rest) < len(tp.ID) {
				panic(&Damaged{r.what})
			}
			r.rest = r.rest[copy(tp.ID[:], r.rest):]
		}
		tp.Partition = int32(r.int())
		fn(tp, r.int())
	}
}

// group is commits that are merged together.
type group struct {
	first, last int64 // sequences in the queue
	objects     int64
	bytes       int64
	coordinates int64
	task        task
}

func (g *group) appendValue(b []byte) []byte {
	b = append(b, valueVersion)
	for _, v := range [...]int64{g.first, g.last, g.objects, g.bytes, g.coordinates} {
		b = binary.AppendVarint(b, v)
	}
	return g.task.append(b)
}

func readGroup(v []byte) group {
	r := readValue(v, "group of commits")
	return group{first: r.int(), last: r.int(), objects: r.int(), bytes: r.int(), coordinates: r.int(), task: r.task()}
}

func (m *Machine) group(id int64) (group, bool) {
	m.key = appendNumberKey(m.key[:0], prefixGroup, id)
	v, ok := m.tx.Get(m.key)
	if !ok {
		return group{}, false
	}
	return readGroup(v), true
}

func (m *Machine) putGroup(id int64, g *group) {
	m.key = appendNumberKey(m.key[:0], prefixGroup, id)
	m.value = g.appendValue(m.value[:0])
	m.tx.Set(m.key, m.value)
}

// sealGroup makes one group of the oldest commits, when enough are there or the oldest has waited. A commit that is alone has nobody to be merged
// with here: its coordinates go on to the next level as they are.
func (m *Machine) sealGroup(p *WorkPolicy) {
	q := m.queue()
	at, ok := q.due(p)
	if !ok || at > m.now {
		return
	}
	g := group{first: q.first, last: q.first - 1, task: idleTask()}
	var next *queuedCommit // the first one that stays
	m.key = appendNumberKey(m.key[:0], prefixQueue, q.first)
	m.key2 = appendNumberKey(m.key2[:0], prefixQueue, q.next)
	m.tx.Scan(m.key, m.key2, func(_, v []byte) bool {
		c := readQueuedCommit(v)
		if g.objects > 0 && (g.objects >= p.MergeObjects || g.bytes >= p.MergeBytes || g.coordinates+c.coordinates > p.MergeCoordinates) {
			next = &c
			return false
		}
		g.last++
		g.objects++
		g.bytes += c.bytes
		g.coordinates += c.coordinates
		return true
	})
	q.first = g.last + 1
	q.objects -= g.objects
	q.bytes -= g.bytes
	q.coordinates -= g.coordinates
	q.oldest = 0
	if next != nil {
		q.oldest = max(next.committed, 0)
	}
	if g.objects == 1 {
		m.putQueue(&q)
		m.endGroup(&g, nil, p)
		return
	}
	q.lastGroup++
	m.putQueue(&q)
	m.schedule(classCommits, numberSubject(q.lastGroup), &g.task, m.now, rpc.WorkWaiting)
	m.putGroup(q.lastGroup, &g)
}

// endGroup takes a group's commits out of the queue. Coordinates that were not swapped go on to the next level as they are: nothing is left behind
// that would never be merged.
func (m *Machine) endGroup(g *group, swapped map[kafka.TopicIDPartition]int64, policy *WorkPolicy) {
	type place struct {
		partition  kafka.TopicIDPartition
		lastOffset int64
	}
	var places []place
	brought := map[kafka.TopicIDPartition]int64{}
	m.key = appendNumberKey(m.key[:0], prefixQueue, g.first)
	m.key2 = appendNumberKey(m.key2[:0], prefixQueue, later(g.last, 1))
	m.tx.Scan(m.key, m.key2, func(_, v []byte) bool {
		c := readQueuedCommit(v)
		c.each(func(tp kafka.TopicIDPartition, lastOffset int64) {
			brought[tp]++
			places = append(places, place{tp, lastOffset})
		})
		return true
	})
	for _, l := range places {
		if swapped[l.partition] == brought[l.partition] {
			continue
		}
		m.key = appendOffsetKey(m.key[:0], prefixCoordinate, l.partition, l.lastOffset)
		v, ok := m.tx.Get(m.key)
		if !ok {
			continue // it expired, or its topic is gone
		}
		if c := readCoordinate(m.key, v); c.level == levelCommitted {
			c.level = nextLevel(0, &c, policy)
			m.putValue(l.partition, &c)
			m.upkeep(l.partition).add(&c)
			m.reconsider(l.partition, policy)
		}
	}
	for s := g.first; s <= g.last; s++ {
		m.key = appendNumberKey(m.key[:0], prefixQueue, s)
		m.tx.Delete(m.key)
	}
}

// putValue writes a coordinate.
func (m *Machine) putValue(tp kafka.TopicIDPartition, c *coordinate) {
	m.key = appendOffsetKey(m.key[:0], prefixCoordinate, tp, c.LastOffset)
	m.value = c.appendValue(m.value[:0])
	m.tx.Set(m.key, m.value)
}

// nextLevel is that of a coordinate which was made of such of the given level.
func nextLevel(level uint8, c *coordinate, p *WorkPolicy) uint8 {
	if int64(c.Bytes) >= p.FinalBytes || level >= levelFinal-2 {
		return levelFinal
	}
	return level + 1
}
