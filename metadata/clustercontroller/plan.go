package clustercontroller

import (
	"slices"

	"github.com/inkwell-project/inkwell/metadata/clustercontroller/state"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/topics"
)

// Layout is what __cluster_metadata says of nodes, clusters and placements.
type Layout struct {
	Nodes      []*topics.Node
	Clusters   []*topics.InklessCluster
	Placements []*topics.PartitionPlacement
}

func layoutOf(r statestore.Reader) Layout {
	return Layout{Nodes: state.Nodes(r), Clusters: state.Clusters(r), Placements: state.Placements(r)}
}

// planner decides where partitions are to be. It is a function of the layout, so that a controller that takes over goes on where the last one stopped.
//
// The rules: all partitions of a cluster are on the same min(Replicas, active nodes) nodes, so that a node that leads a coordinator has a replica of the cluster's __metadata;
// that one comes first to a new node and leaves an old one last. Few partitions move at a time.
type planner struct {
	Replicas         int // of each partition
	MetadataReplicas int // voters of __cluster_metadata
	MaxMoves         int // partitions under way

	active   []int32 // by id
	replaced map[int32]int32
	load     map[int32]int
	moving   int
	alive    func(node int32) bool
}

func (p *planner) read(l Layout) {
	p.active, p.replaced, p.load, p.moving = nil, map[int32]int32{}, map[int32]int{}, 0
	for _, n := range l.Nodes {
		if n.MayHold() {
			p.active = append(p.active, n.ID)
		} else if n.ReplacedBy != 0 {
			p.replaced[n.ID] = n.ReplacedBy
		}
	}
	slices.Sort(p.active)
	for _, placed := range l.Placements {
		for _, n := range eventual(placed) {
			p.load[n]++
		}
		if len(placed.Target) > 0 {
			p.moving++
		}
	}
}

// eventual are the nodes that hold the partition when its move is over.
func eventual(p *topics.PartitionPlacement) []int32 {
	if len(p.Target) > 0 {
		return p.Target
	}
	return p.Voters
}

// choose returns the nodes for what current holds now: those that may stay, and the least loaded others. weight is how many partitions move with
// the choice, 0 for one that is not worth a move.
func (p *planner) choose(current []int32, replicas, weight int) []int32 {
	size := min(replicas, len(p.active))
	var keep []int32
	for _, n := range current {
		if slices.Contains(p.active, n) && len(keep) < size {
			keep = append(keep, n)
		}
	}
	for _, n := range current {
		if by, ok := p.replaced[n]; ok && len(keep) < size && slices.Contains(p.active, by) && !slices.Contains(keep, by) {
			keep = append(keep, by)
		}
	}
	for len(keep) < size {
		keep = append(keep, p.leastLoaded(keep))
	}
	if len(keep) == len(current) && sameNodes(keep, current) && p.moving == 0 {
		keep = p.balanced(keep, weight)
	}
	slices.Sort(keep)
	for _, n := range current {
		p.load[n] -= weight
	}
	for _, n := range keep {
		p.load[n] += weight
	}
	return keep
}

// leastLoaded is the active node, of those that live if there is one, with the fewest partitions that is not among taken.
func (p *planner) leastLoaded(taken []int32) int32 {
	best, found := int32(0), false
	better := func(a, b int32) bool {
		if la, lb := p.lives(a), p.lives(b); la != lb {
			return la
		}
		return p.load[a] < p.load[b]
	}
	for _, n := range p.active {
		if !slices.Contains(taken, n) && (!found || better(n, best)) {
			best, found = n, true
		}
	}
	return best
}

func (p *planner) lives(n int32) bool { return p.alive == nil || p.alive(n) }

// balanced swaps the most loaded node for the least loaded one where that evens out. Only one choice of a plan does, while nothing else moves.
func (p *planner) balanced(keep []int32, weight int) []int32 {
	if len(p.active) <= len(keep) || weight == 0 {
		return keep
	}
	least := p.leastLoaded(keep)
	most := keep[0]
	for _, n := range keep {
		if p.load[n] > p.load[most] {
			most = n
		}
	}
	if !p.lives(least) || p.load[most]-p.load[least] <= weight {
		return keep
	}
	p.moving++
	out := slices.Clone(keep)
	out[slices.Index(out, most)] = least
	return out
}

func sameNodes(a, b []int32) bool { return slices.Equal(state.Sorted(a), state.Sorted(b)) }

// plan returns the next commands; none when everything is where it is to be, or under way.
func (p *planner) plan(l Layout) []state.Command {
	p.read(l)
	if len(p.active) == 0 {
		return nil
	}
	byTopic := map[string][]*topics.PartitionPlacement{}
	for _, placed := range l.Placements {
		byTopic[placed.Topic] = append(byTopic[placed.Topic], placed)
	}
	var commands []state.Command
	moves := &state.PlanMoves{}
	for _, placed := range byTopic[topics.ClusterMetadata] {
		p.move(moves, placed, p.choose(eventual(placed), p.MetadataReplicas, 0))
	}
	for _, placed := range byTopic[state.OwnOffsetsTopic] {
		p.move(moves, placed, p.choose(eventual(placed), p.Replicas, 0))
	}
	for _, c := range l.Clusters {
		if c.State == topics.ClusterDeleted || len(byTopic[topics.Metadata(c.Name)]) == 0 {
			continue
		}
		first := byTopic[topics.Metadata(c.Name)][0]
		others := slices.Concat(byTopic[topics.BatchCoordinates(c.Name)], byTopic[topics.ConsumerOffsets(c.Name)])
		current := c.Nodes
		if len(current) == 0 {
			current = state.Sorted(eventual(first))
		}
		want := p.choose(current, p.Replicas, 1+len(others))
		if !slices.Equal(want, c.Nodes) {
			commands = append(commands, &state.SetClusterNodes{Name: c.Name, Nodes: want})
		}
		p.moveCluster(moves, first, others, want)
	}
	if len(moves.Moves) > 0 {
		commands = append(commands, moves)
	}
	return commands
}

// moveCluster plans a cluster's partitions: __metadata is wherever one of the others is or is to be.
func (p *planner) moveCluster(moves *state.PlanMoves, first *topics.PartitionPlacement, others []*topics.PartitionPlacement, want []int32) {
	union := slices.Clone(want)
	for _, o := range others {
		union = slices.Concat(union, o.Voters, o.Target)
	}
	slices.Sort(union)
	p.move(moves, first, slices.Compact(union))
	for _, o := range others {
		if contains(first.Voters, want) {
			p.move(moves, o, want)
		}
	}
}

func contains(all, some []int32) bool {
	for _, n := range some {
		if !slices.Contains(all, n) {
			return false
		}
	}
	return true
}

// move adds a move of one partition unless it is there, or too much moves already. A move whose target is wrong by now gets another.
func (p *planner) move(moves *state.PlanMoves, placed *topics.PartitionPlacement, want []int32) {
	if sameNodes(eventual(placed), want) {
		return
	}
	if len(placed.Target) == 0 {
		if p.moving >= p.MaxMoves {
			return
		}
		p.moving++
	}
	moves.Moves = append(moves.Moves, state.Move{Topic: placed.Topic, Partition: placed.Partition, Number: placed.Move, Target: state.Rotated(want, placed.RaftGroup)})
}

// place chooses the nodes of a new cluster.
func (p *planner) place(l Layout, self int32) []int32 {
	p.read(l)
	if len(p.active) == 0 {
		return []int32{self}
	}
	size := min(p.Replicas, len(p.active))
	var nodes []int32
	for len(nodes) < size {
		nodes = append(nodes, p.leastLoaded(nodes))
	}
	slices.Sort(nodes)
	return nodes
}
