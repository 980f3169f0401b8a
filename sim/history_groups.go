package sim

import "fmt"

// groupHistory is one group's, named cluster/group.
type groupHistory struct {
	newest    int32                       // generation
	owners    map[int32]map[string]string // generation -> partition -> member
	committed map[string]commit           // by partition: the highest that was acknowledged or fetched
}

type commit struct {
	offset     int64
	generation int32
}

func (h *History) group(name string) *groupHistory {
	g := h.groups[name]
	if g == nil {
		g = &groupHistory{owners: map[int32]map[string]string{}, committed: map[string]commit{}}
		h.groups[name] = g
	}
	return g
}

// Owns says that a member was given partitions in a generation.
func (h *History) Owns(group, member string, generation int32, partitions ...string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	g := h.group(group)
	if g.owners[generation] == nil {
		g.owners[generation] = map[string]string{}
	}
	g.newest = max(g.newest, generation)
	for _, p := range partitions {
		if other, ok := g.owners[generation][p]; ok && other != member {
			return fmt.Errorf("two owners: %s of %s in generation %d belongs to %s and %s", p, group, generation, other, member)
		}
		g.owners[generation][p] = member
	}
	return nil
}

// Committed says that a commit was acknowledged.
func (h *History) Committed(group string, generation int32, partition string, offset int64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	g := h.group(group)
	old := g.committed[partition]
	if offset < old.offset && generation <= old.generation {
		return fmt.Errorf("the commit of %s in %s went back from %d (generation %d) to %d (generation %d)", partition, group, old.offset, old.generation, offset, generation)
	}
	if offset >= old.offset {
		g.committed[partition] = commit{offset, generation}
	}
	return nil
}

// CommittedAt is what a fetch of offsets that begins now must answer at least.
func (h *History) CommittedAt(group, partition string) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.group(group).committed[partition].offset
}

// Fetched says what a fetch of a committed offset answered that began when least was the highest known.
func (h *History) Fetched(group string, generation int32, partition string, least, offset int64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if offset < least {
		return fmt.Errorf("the committed offset of %s in %s went back from %d to %d", partition, group, least, offset)
	}
	g := h.group(group)
	if offset > g.committed[partition].offset {
		g.committed[partition] = commit{offset, generation}
	}
	return nil
}
