package state

import "math"

const scalarWorkLevel = "work-level"

// Values of the scalar work-level. Without it the first feature level is in force.
const (
	workLevelUnread = math.MinInt64 // in Machine only
	// workJoining: coordinates of the first level join the second, page by page. New ones are of level 1 when they are made, so that what joined
	// stays complete.
	workJoining int64 = -1
)

// scalarJoined is the last offset up to which, and the partition in which, coordinates have joined: the key where the next page begins.
const scalarJoined = "joined"

func (m *Machine) readWorkLevel() int64 {
	if m.workLevel == workLevelUnread {
		m.workLevel = m.scalar(scalarWorkLevel, 0)
	}
	return m.workLevel
}

// workEnabled says whether the second feature level is in force.
func (m *Machine) workEnabled() bool { return m.readWorkLevel() > 0 }

func (m *Machine) setWorkLevel(level int64) {
	m.setScalar(scalarWorkLevel, level)
	m.workLevel = level
}

// enableWork has a page of the coordinates that are there join, and the level is in force when there are no more.
func (m *Machine) enableWork(c *EnableWork) EnableResult {
	if c.Level <= m.readWorkLevel() {
		return EnableResult{Level: m.readWorkLevel()}
	}
	if m.workEnabled() { // a later level: nothing has to join it
		m.setWorkLevel(c.Level)
		return EnableResult{Level: c.Level}
	}
	m.setWorkLevel(workJoining)
	from := []byte{prefixCoordinate}
	m.key = scalarKey(m.key[:0], scalarJoined)
	if v, ok := m.tx.Get(m.key); ok {
		from = append([]byte(nil), v...)
	}
	page := max(c.MaxCoordinates, 1)
	var keys, values [][]byte
	var next []byte
	m.tx.Scan(from, []byte{prefixCoordinate + 1}, func(k, v []byte) bool {
		if int64(len(keys)) >= page {
			next = append([]byte(nil), k...)
			return false
		}
		keys, values = append(keys, append([]byte(nil), k...)), append(values, append([]byte(nil), v...))
		return true
	})
	for i, k := range keys {
		coordinate, tp := readCoordinate(k, values[i]), partitionOf(k)
		if coordinate.level != levelCommitted {
			continue
		}
		coordinate.level = nextLevel(levelCommitted, &coordinate, &c.Policy)
		m.putValue(tp, &coordinate)
		m.upkeep(tp).add(&coordinate)
		m.reconsider(tp, &c.Policy)
	}
	m.key = scalarKey(m.key[:0], scalarJoined)
	if next != nil {
		m.tx.Set(m.key, next)
		return EnableResult{Level: workJoining}
	}
	m.tx.Delete(m.key)
	m.setWorkLevel(c.Level)
	return EnableResult{Level: c.Level}
}
