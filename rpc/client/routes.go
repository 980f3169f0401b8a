package client

import (
	"slices"
	"sync"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// target is a coordinator partition of the cluster.
type target struct {
	kind      rpc.TargetKind
	partition int32
}

var (
	toController = target{kind: rpc.TargetController}
	// anyNode is the target of calls that every node answers.
	anyNode = target{kind: -1}
	// clusterController leads __cluster_metadata; administrators find it by hints alone.
	clusterController = target{kind: -2}
)

func toBatch(partition int32) target { return target{rpc.TargetBatchCoordinator, partition} }

// leader is what was last heard of a target.
type leader struct {
	address string // empty when it is not known
	term    int64
}

// routes are what the client knows of nodes and leaders.
type routes struct {
	seeds []string

	mu      sync.Mutex // guards what follows
	nodes   map[int32]string
	leaders map[target]leader
	groups  int32 // partitions of __consumer_offsets; 0 before the first answer
}

func newRoutes(seeds []string) *routes {
	return &routes{seeds: seeds, nodes: map[int32]string{}, leaders: map[target]leader{}}
}

// learn takes an answer of FindLeaders that came from an address. That address is known to work, whatever the node itself calls it.
func (r *routes) learn(from string, resp *rpc.FindLeadersResponse) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.nodes
	if len(resp.Nodes) > 0 {
		r.nodes = map[int32]string{}
		for _, n := range resp.Nodes {
			if address := n.Address; known[n.ID] != "" && slices.Contains(r.seeds, known[n.ID]) {
				r.nodes[n.ID] = known[n.ID] // it answered at the address that the operator gave
			} else if address != "" {
				r.nodes[n.ID] = address
			}
		}
	}
	if resp.Self > 0 {
		r.nodes[resp.Self] = from
	}
	groups := int32(0)
	for _, l := range resp.Leaders {
		r.heard(target{l.Kind, l.Partition}, r.nodes[l.Node], l.Term)
		if l.Kind == rpc.TargetGroupPartition {
			groups = max(groups, l.Partition+1)
		}
	}
	r.groups = max(r.groups, groups)
}

// heard is called with mu. Of two answers the one of the higher term counts; in one term there is one leader.
func (r *routes) heard(t target, address string, term int64) {
	known := r.leaders[t]
	if term > known.term || term == known.term && address != "" {
		r.leaders[t] = leader{address, term}
	}
}

// refused takes a NOT_COORDINATOR of the node at an address, with its hint if it gave one, and says whether there is another node to ask now.
func (r *routes) refused(t target, from string, hint *rpc.NotLeader) (elsewhere bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if hint != nil && hint.Term >= r.leaders[t].term {
		address := hint.Address
		if known := r.nodes[hint.Node]; known != "" {
			address = known
		}
		r.leaders[t] = leader{address, hint.Term}
	}
	if known := r.leaders[t]; known.address == from { // it says itself that it does not lead
		r.leaders[t] = leader{term: known.term}
	}
	return r.leaders[t].address != ""
}

// suspect takes the end of a connection: what the node at that address led may be led by another by now. If not, the next answer says so.
func (r *routes) suspect(address string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for t, l := range r.leaders {
		if l.address == address {
			r.leaders[t] = leader{term: l.term}
		}
	}
}

// leader is the address of a target's leader, empty when it is not known.
func (r *routes) leader(t target) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leaders[t].address
}

// group is the target of a group id; ok is false before the number of partitions is known.
func (r *routes) group(id string) (_ target, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.groups == 0 {
		return target{}, false
	}
	return target{rpc.TargetGroupPartition, kafka.PartitionFor(id, r.groups)}, true
}

// addresses are those of all nodes: first as the operator gave them, then others in the order of their ids.
func (r *routes) addresses() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Clone(r.seeds)
	ids := make([]int32, 0, len(r.nodes))
	for id := range r.nodes {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		if a := r.nodes[id]; !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}
