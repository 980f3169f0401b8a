package pebblestore

import "sync"

// rows holds single keys that were read within batches, as the last commit left them: commands read the same ones again and again, and Pebble looks for each in its
// tables in memory, then in files. Every commit goes through here, so that a row is what Pebble has. A key that does not exist is a row, too.
//
// There are two generations: when the young one is full it becomes the old one, and what nobody reads meanwhile goes with it.
//
// In each a kind of keys, which its space and its first byte tell, has a map: most of what commits write is of kinds that nobody reads singly, and costs no more than to see that.
type rows struct {
	mu         sync.Mutex // guards everything below
	young, old generation
	bytes      int
	limit      int // of one generation
	// commits counts them, so that what was read from Pebble beside a commit of the same space is not kept.
	commits uint64
}

// generation is by kind and by the rest of the key.
type generation map[string]map[string]row

// kindSize is how long the part of a key is that tells its kind.
const kindSize = prefixSize + 1

type row struct {
	value  []byte // never changed
	exists bool
}

// rowOverhead is about what a row takes beside its bytes.
const rowOverhead = 80

func (r *rows) init(limit int64) {
	r.young, r.old, r.limit = generation{}, generation{}, int(limit/2)
}

// get returns the row of a full key, or what add needs to know.
func (r *rows) get(key []byte) (found row, known bool, commits uint64) {
	n := min(len(key), kindSize)
	r.mu.Lock()
	defer r.mu.Unlock()
	if found, known = r.young[string(key[:n])][string(key[n:])]; known {
		return found, true, r.commits
	}
	old := r.old[string(key[:n])]
	if found, known = old[string(key[n:])]; known {
		r.keep(key, found)
		delete(old, string(key[n:]))
	}
	return found, known, r.commits
}

// add keeps what was read from Pebble, unless there was a commit since get.
func (r *rows) add(key []byte, found row, commits uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if commits == r.commits {
		r.keep(key, found)
	}
}

func (r *rows) keep(key []byte, kept row) {
	if r.bytes > r.limit {
		r.old, r.young, r.bytes = r.young, generation{}, 0
	}
	n := min(len(key), kindSize)
	m := r.young[string(key[:n])]
	if m == nil {
		m = map[string]row{}
		r.young[string(key[:n])] = m
	}
	m[string(key[n:])] = kept
	r.bytes += len(key) + len(kept.value) + rowOverhead
}

// committed takes over what a batch wrote. What lies in a range that it deleted is read again, for it may have been written before or after.
func (r *rows) committed(writes []write, ranges []keyRange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.commits++
	var of string // the kind whose generations follow
	var generations [2]map[string]row
	for i := range writes {
		w := &writes[i]
		kind := w.key[:min(len(w.key), kindSize)]
		if kind != of { // mostly they are in order
			of, generations = kind, [2]map[string]row{r.young[kind], r.old[kind]}
		}
		key := w.key[len(kind):]
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
	lo, hi := string(deleted.lo), string(deleted.hi)
	for _, g := range [...]generation{r.young, r.old} {
		for kind, m := range g {
			if kind >= hi || lo[:min(len(kind), len(lo))] > kind {
				continue
			}
			for key := range m {
				if full := kind + key; full >= lo && full < hi {
					delete(m, key)
				}
			}
			if len(m) == 0 {
				delete(g, kind)
			}
		}
	}
}
