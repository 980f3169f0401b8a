package state

import (
	"slices"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// A merge that failed because of objects which it names takes others with it no more than once: what is damaged goes on alone, is tried again and parked,
// and the rest goes on without it.

// splitGroup makes a group of its own of each damaged object of a leased group, and of what lies between them. The first of the damaged keeps the group's number. Nothing
// changes when no other object is in the group, or none of them was named.
func (m *Machine) splitGroup(l *lease, damaged []kafka.ObjectID, cause string, policy *WorkPolicy) {
	g, ok := m.group(l.number)
	if !ok || g.objects < 2 || len(damaged) == 0 {
		return
	}
	var parts []group
	m.key = appendNumberKey(m.key[:0], prefixQueue, g.first)
	m.key2 = appendNumberKey(m.key2[:0], prefixQueue, later(g.last, 1))
	m.tx.Scan(m.key, m.key2, func(k, v []byte) bool {
		c, at := readQueuedCommit(v), numberAt(k, 1)
		named := slices.Contains(damaged, c.object)
		if n := len(parts); n == 0 || named || parts[n-1].task.damaged != nil {
			parts = append(parts, group{first: at, task: task{since: g.task.since, next: -1}})
		}
		p := &parts[len(parts)-1]
		if named {
			p.task.attempts, p.task.cause, p.task.damaged = g.task.attempts, cause, []kafka.ObjectID{c.object}
		}
		p.last = at
		p.objects++
		p.bytes += c.bytes
		p.coordinates += c.coordinates
		return true
	})
	if len(parts) < 2 {
		return
	}
	q := m.queue()
	number, kept := int64(0), false
	for i := range parts {
		p := &parts[i]
		bad := p.task.damaged != nil
		switch {
		case !bad && p.objects == 1: // it has nobody to be merged with
			m.endGroup(p, nil, policy)
			continue
		case bad && !kept:
			number, kept = l.number, true
		default:
			q.lastGroup++
			number = q.lastGroup
		}
		subject := numberSubject(number)
		switch {
		case !bad: // not at once, for what damages many objects may go away
			m.schedule(classCommits, subject, &p.task, later(m.now, policy.backoff(1)), rpc.WorkWaiting)
		case number != l.number: // that one the caller has rest
			m.rest(classCommits, subject, &p.task, policy, false)
		}
		m.putGroup(number, p)
	}
	m.putQueue(&q)
}

// blameless are the partitions of a lease that failed, as subjects, whose runs have none of the damaged objects; none when that would be all.
func (m *Machine) blameless(l *lease, damaged []kafka.ObjectID) map[string]bool {
	if l.class != classRun || len(l.runs) < 2 {
		return nil
	}
	without := map[string]bool{}
	for _, r := range l.runs {
		bad := slices.ContainsFunc(runCoordinates(m.tx, r, false), func(c rpc.Coordinate) bool { return slices.Contains(damaged, c.Object) })
		if !bad {
			without[string(partitionSubject(r.partition))] = true
		}
	}
	if len(without) == len(l.runs) {
		return nil
	}
	return without
}
