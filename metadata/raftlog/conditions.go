package raftlog

import (
	"errors"
	"slices"
)

// Condition is why a replica does not take part.
type Condition int

const (
	// Halted: its state machine, its log or its state cannot go on; Err says what is wrong and where. Rebuild makes the state anew
	// from the other replicas; where the log itself is damaged, remove the replica from the group, RemoveGroup, and add it as a learner.
	Halted Condition = iota + 1
	// Diverged: its state differs from that of the others. Rebuild makes it anew.
	Diverged
	// Removed: the other replicas say that this one is no member any more. RemoveGroup frees what it has, once the placement says so, too.
	Removed
)

func (c Condition) String() string {
	return [...]string{"?", "halted", "diverged", "removed"}[max(0, min(int(c), 3))]
}

// ReplicaCondition is a replica that needs somebody's attention.
type ReplicaCondition struct {
	Group     uint64
	Name      string
	Condition Condition
	Err       error
}

// Conditions are the replicas on this node that need attention, by group; changed is closed when the list is another.
func (n *Node) Conditions() (list []ReplicaCondition, changed <-chan struct{}) {
	n.conditionsMu.Lock()
	defer n.conditionsMu.Unlock()
	for _, c := range n.conditions {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b ReplicaCondition) int { return int(int64(a.Group) - int64(b.Group)) })
	return list, n.conditionsChanged
}

// setCondition replaces a group's condition; 0 clears it.
func (n *Node) setCondition(g *group, c Condition, err error) {
	n.conditionsMu.Lock()
	defer n.conditionsMu.Unlock()
	old, there := n.conditions[g.id]
	if !there && c == 0 || there && old.Condition == c {
		return
	}
	if c == 0 {
		delete(n.conditions, g.id)
	} else {
		n.conditions[g.id] = ReplicaCondition{Group: g.id, Name: g.name, Condition: c, Err: err}
	}
	close(n.conditionsChanged)
	n.conditionsChanged = make(chan struct{})
}

func conditionOf(err error) Condition {
	if errors.Is(err, ErrDiverged) {
		return Diverged
	}
	return Halted
}
