package pebblestore

import (
	"encoding/binary"
	"sync"
)

// rows holds single keys that were read within batches, as the last commit left them: commands read the same ones again and again, and Pebble looks for each in its
// tables in memory, then in files. Every commit goes through here, so that a row is what Pebble has. A key that does not exist is a row, too.
//
// There are two generations: when the young one is full it becomes the old one, and what nobody reads meanwhile goes with it.
type rows struct {
	mu         sync.Mutex // guards everything below
	young, old map[Space]map[string]row
	bytes      int
	limit      int // of one generation
	// commits counts them, so that what was read from Pebble beside a commit of the same space is not kept.
	commits uint64
}

type row struct {
	value  []byte // never changed
	exists bool
}

// rowOverhead is about what a row takes beside its bytes.
const rowOverhead = 80

func (r *rows) init(limit int64) {
	r.young, r.old, r.limit = map[Space]map[string]row{}, map[Space]map[string]row{}, int(limit/2)
}

// get returns the row, or what add needs to know.
func (r *rows) get(sp Space, key []byte) (found row, known bool, commits uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if found, known = r.young[sp][string(key)]; known {
		return found, true, r.commits
	}
	if found, known = r.old[sp][string(key)]; known {
		r.keep(sp, string(key), found)
		delete(r.old[sp], string(key))
	}
	return found, known, r.commits
}

// add keeps what was read from Pebble, unless there was a commit since get.
func (r *rows) add(sp Space, key []byte, found row, commits uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if commits == r.commits {
		r.keep(sp, string(key), found)
	}
}

func (r *rows) keep(sp Space, key string, kept row) {
	if r.bytes > r.limit {
		r.old, r.young, r.bytes = r.young, map[Space]map[string]row{}, 0
	}
	m := r.young[sp]
	if m == nil {
		m = map[string]row{}
		r.young[sp] = m
	}
	m[key] = kept
	r.bytes += len(key) + len(kept.value) + rowOverhead
}

// committed takes over what a batch wrote. What lies in a range that it deleted is read again, for it may have been written before or after.
func (r *rows) committed(writes []write, ranges []keyRange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.commits++
	var of string // the space whose generations follow
	var generations [2]map[string]row
	for i := range writes {
		w := &writes[i]
		if w.key[:prefixSize] != of { // mostly they are in order
			of = w.key[:prefixSize]
			sp := spaceOf(of)
			generations = [2]map[string]row{r.young[sp], r.old[sp]}
		}
		key := w.key[prefixSize:]
		for _, rows := range generations {
			if before, ok := rows[key]; ok {
				rows[key] = row{append(make([]byte, 0, len(w.value)), w.value...), !w.deleted}
				r.bytes += len(w.value) - len(before.value)
			}
		}
	}
	for _, deleted := range ranges {
		r.forget(deleted)
	}
}

// forget drops what lies in a range.
func (r *rows) forget(deleted keyRange) {
	for _, generation := range [...]map[Space]map[string]row{r.young, r.old} {
		for sp, m := range generation {
			prefix := string(sp.appendTo(nil))
			if prefix >= string(deleted.hi) || string(deleted.lo[:min(prefixSize, len(deleted.lo))]) > prefix {
				continue
			}
			for key := range m {
				if full := prefix + key; full >= string(deleted.lo) && full < string(deleted.hi) {
					delete(m, key)
				}
			}
			if len(m) == 0 {
				delete(generation, sp)
			}
		}
	}
}

func spaceOf(prefix string) Space {
	return Space{binary.BigEndian.Uint64([]byte(prefix[:8])), prefix[8]}
}
