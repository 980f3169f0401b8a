package sim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// History is what clients sent and saw, and what must be true of it. Each method returns what is wrong at once; Check is for the end. It is pure:
// tests feed it histories that are wrong.
type History struct {
	mu         sync.Mutex // guards what follows
	partitions map[string]*partitionHistory
	groups     map[string]*groupHistory
	sent       map[string]string // value -> partition it was sent to
	leaders    map[string]int32  // by partition and term
	failed     map[string]bool   // values that were refused for certain
	states     map[logIndex]stateSeen
}

// partitionHistory is one partition's, named cluster/topic/partition.
type partitionHistory struct {
	values  map[int64]string // by offset, from acks and reads
	offsets map[string]int64 // by value
	acked   map[string]int64 // by value; -1 where the ack named no offset
	order   map[string][]string
	ranks   map[string]int    // of a value in its producer's order
	newest  map[string]string // by producer: the last value that was acknowledged
	readers map[string]int64  // next offset of each
	marks   map[string]watermarks
	deleted int64 // records below were deleted on purpose
}

type watermarks struct{ start, high int64 }

// NewHistory is empty.
func NewHistory() *History {
	return &History{partitions: map[string]*partitionHistory{}, groups: map[string]*groupHistory{}, sent: map[string]string{}, failed: map[string]bool{}, leaders: map[string]int32{}, states: map[logIndex]stateSeen{}}
}

func (h *History) partition(name string) *partitionHistory {
	p := h.partitions[name]
	if p == nil {
		p = &partitionHistory{
			values: map[int64]string{}, offsets: map[string]int64{}, acked: map[string]int64{}, order: map[string][]string{}, ranks: map[string]int{},
			newest: map[string]string{}, readers: map[string]int64{}, marks: map[string]watermarks{},
		}
		h.partitions[name] = p
	}
	return p
}

// Sent says that an idempotent producer begins to send values, each unique in the whole run.
func (h *History) Sent(partition, producer string, values ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.partition(partition)
	for _, v := range values {
		h.sent[v] = partition
		p.ranks[v] = len(p.order[producer])
		p.order[producer] = append(p.order[producer], v)
	}
}

// Acked says that values are durable from base on; -1: the broker said "duplicate" and no offset.
func (h *History) Acked(partition, producer string, base int64, values ...string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.partition(partition)
	for i, v := range values {
		if base < 0 {
			p.acked[v] = -1
			continue
		}
		offset := base + int64(i)
		p.acked[v] = offset
		if err := p.place(partition, offset, v); err != nil {
			return err
		}
		newest, ok := p.newest[producer]
		if at := p.offsets[newest]; ok && (p.ranks[v] < p.ranks[newest]) != (offset < at) && v != newest {
			return fmt.Errorf("non-monotonic send: %s of %s is at offset %d, %s at %d", v, producer, offset, newest, at)
		}
		if !ok || p.ranks[v] > p.ranks[newest] { // answers may come in another order than the batches were sent
			p.newest[producer] = v
		}
	}
	return nil
}

// Failed says that values were refused for certain, and nobody may ever read them.
func (h *History) Failed(partition string, values ...string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, v := range values {
		h.failed[v] = true
		if o, ok := h.partition(partition).offsets[v]; ok {
			return fmt.Errorf("aborted read: %s at offset %d of %s, its producer was told that it failed", v, o, partition)
		}
	}
	return nil
}

// place is the one value of an offset and the one offset of a value.
func (p *partitionHistory) place(name string, offset int64, value string) error {
	if other, ok := p.values[offset]; ok && other != value {
		return fmt.Errorf("inconsistent offsets: offset %d of %s holds %s and %s", offset, name, other, value)
	}
	if other, ok := p.offsets[value]; ok && other != offset {
		return fmt.Errorf("duplicate: %s is at offsets %d and %d of %s", value, other, offset, name)
	}
	p.values[offset], p.offsets[value] = value, offset
	return nil
}

// Read says that a reader saw a value.
func (h *History) Read(partition, reader string, offset int64, value string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch to, ok := h.sent[value]; {
	case !ok:
		return fmt.Errorf("%s at offset %d of %s was never sent", value, offset, partition)
	case to != partition:
		return fmt.Errorf("another's value: %s at offset %d of %s was sent to %s", value, offset, partition, to)
	case h.failed[value]:
		return fmt.Errorf("aborted read: %s at offset %d of %s, its producer was told that it failed", value, offset, partition)
	}
	p := h.partition(partition)
	if next, ok := p.readers[reader]; ok && offset != next && (offset < next || next >= p.deleted) {
		return fmt.Errorf("%s of %s was at offset %d and read %d next", reader, partition, next, offset)
	}
	p.readers[reader] = offset + 1
	return p.place(partition, offset, value)
}

// Seek says where a reader goes on.
func (h *History) Seek(partition, reader string, offset int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.partition(partition).readers[reader] = offset
}

// Deleting says that records below an offset may go from now on.
func (h *History) Deleting(partition string, below int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.partition(partition)
	p.deleted = max(p.deleted, below)
}

// MayBeGone says whether somebody deleted the record of an offset.
func (h *History) MayBeGone(partition string, offset int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return offset < h.partition(partition).deleted
}

// Watermarks says what one process of a broker told: neither may go back.
func (h *History) Watermarks(partition, observer string, start, high int64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.partition(partition)
	old := p.marks[observer]
	switch {
	case high < old.high:
		return fmt.Errorf("high watermark of %s went back from %d to %d at %s", partition, old.high, high, observer)
	case start < old.start:
		return fmt.Errorf("log start of %s went back from %d to %d at %s", partition, old.start, start, observer)
	case start > high:
		return fmt.Errorf("log start of %s is %d, above its high watermark %d, at %s", partition, start, high, observer)
	case start > p.deleted:
		return fmt.Errorf("log start of %s is %d, nobody deleted from %d on", partition, start, p.deleted)
	}
	p.marks[observer] = watermarks{start, high}
	return nil
}

// End says what is left of an acknowledged log in the end: everything from start to high was read with Read.
func (h *History) End(partition string, start, high int64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.partition(partition)
	for o := start; o < high; o++ {
		if _, ok := p.values[o]; !ok {
			return fmt.Errorf("offsets of %s are not dense: %d is missing between %d and %d", partition, o, start, high)
		}
	}
	for _, o := range slices.Sorted(maps.Keys(p.values)) {
		if o >= high {
			return fmt.Errorf("lost write: offset %d of %s held %s, the log ends at %d", o, partition, p.values[o], high)
		}
	}
	for _, v := range slices.Sorted(maps.Keys(p.acked)) {
		if at, ok := p.offsets[v]; !ok && p.acked[v] < 0 && p.deleted > 0 {
			continue // it may have been deleted
		} else if !ok {
			return fmt.Errorf("lost write: %s was acknowledged, and is nowhere in %s (%d to %d)", v, partition, start, high)
		} else if at >= high {
			return fmt.Errorf("lost write: %s was acknowledged at offset %d of %s, which ends at %d", v, at, partition, high)
		}
	}
	for _, producer := range slices.Sorted(maps.Keys(p.order)) {
		if err := p.inOrder(partition, producer); err != nil {
			return err
		}
	}
	return nil
}

// inOrder checks that a producer's values lie in the order of its sends, and that none is missing before one that is there.
func (p *partitionHistory) inOrder(name, producer string) error {
	type placed struct {
		rank   int
		offset int64
	}
	var there []placed
	for _, v := range p.order[producer] {
		if o, ok := p.offsets[v]; ok {
			there = append(there, placed{p.ranks[v], o})
		}
	}
	slices.SortFunc(there, func(a, b placed) int { return cmp.Compare(a.offset, b.offset) })
	for i, t := range there {
		if want := i; p.deleted > 0 {
			if i > 0 && t.rank < there[i-1].rank { // some may have been deleted before anybody saw their offsets
				return fmt.Errorf("order: of the values of %s in %s, the %d-th by send is at offset %d, behind the %d-th", producer, name, t.rank, t.offset, there[i-1].rank)
			}
		} else if t.rank != want {
			return fmt.Errorf("order: the %d-th value of %s in %s by offset (%d) is the %d-th by send", want, producer, name, t.offset, t.rank)
		}
	}
	return nil
}

// Partitions are the names of all that is known.
func (h *History) Partitions() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.partitions))
}

// Counts says how much happened: values that were acknowledged, and values that were read.
func (h *History) Counts() (acked, seen int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.partitions {
		acked += len(p.acked)
		seen += len(p.values)
	}
	return acked, seen
}

// Leads says who leads a coordinator's partition in a term. A term has one leader.
func (h *History) Leads(partition string, term int64, node int32) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := fmt.Sprintf("%s in term %d", partition, term)
	if other, ok := h.leaders[key]; ok && other != node {
		return fmt.Errorf("two leaders: %s is led by nodes %d and %d", key, other, node)
	}
	h.leaders[key] = node
	return nil
}

// logIndex is a place in the log of a Raft group.
type logIndex struct{ group, index uint64 }

type stateSeen struct{ hash, where string }

// State says what the state of a replica hashes to that has applied a group's log up to an index. All replicas agree.
func (h *History) State(group, index uint64, hash, where string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := logIndex{group, index}
	if other, ok := h.states[at]; ok && other.hash != hash {
		return fmt.Errorf("states differ: group %d at index %d is %s at %s and %s at %s", group, index, other.hash, other.where, hash, where)
	}
	h.states[at] = stateSeen{hash, where}
	return nil
}
