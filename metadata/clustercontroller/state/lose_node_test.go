package state

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/metadata/raftlog/raftlogtest"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/topics"
)

// TestLostNode: a node that lost its log is lost until no partition holds it or moves, and only the folder that it named brings it back.
func TestLostNode(t *testing.T) {
	log := raftlogtest.New(Machine{})
	propose := func(cmd Command) error {
		t.Helper()
		result, err := log.Propose(t.Context(), Encode(1, cmd))
		if err != nil {
			t.Fatal(err)
		}
		return result.(Result).Err
	}
	must := func(cmd Command) {
		t.Helper()
		if err := propose(cmd); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(cmd Command, code error, words ...string) {
		t.Helper()
		before := log.Dump()
		err := propose(cmd)
		if !errors.Is(err, code) {
			t.Fatalf("%+v: %v, want %v", cmd, err, code)
		}
		for _, w := range words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%+v: %q does not say %q", cmd, err, w)
			}
		}
		if !reflect.DeepEqual(before, log.Dump()) {
			t.Errorf("%+v changed something", cmd)
		}
	}
	node := func(id int32) (n topics.Node) {
		log.View(func(r statestore.Reader) {
			if found, ok := Node(r, id); ok {
				n = *found
			}
		})
		return n
	}
	register := func(id int32, directory string) *RegisterNode {
		return &RegisterNode{Node: topics.Node{ID: id, RaftAddress: "n:1", DirectoryID: directory}}
	}
	lose := func(id int32, directory, next string) *LoseNode { return &LoseNode{id, directory, next} }

	must(&InitCluster{ID: "id", Node: 1})
	must(register(1, "a1"))
	refused(lose(1, "a1", "a2"), kerr.InvalidRequest, "the last one that may hold replicas")
	must(register(2, "b1"))
	must(register(3, "c1"))
	must(&CreateCluster{Name: "c", BatchCoordinators: 1, GroupCoordinators: 1, Voters: []int32{2, 3}})

	// Who may say it.
	refused(lose(4, "d1", "d2"), kerr.DuplicateBrokerRegistration)
	refused(lose(3, "c0", "c2"), kerr.DuplicateBrokerRegistration, "another data folder (c1)", "(c0)")
	refused(lose(3, "c1", "c1"), kerr.InvalidRegistration)
	must(lose(3, "c1", "c2"))
	after := log.Dump()
	must(lose(3, "c1", "c2"))
	if n := node(3); !reflect.DeepEqual(after, log.Dump()) || !n.Lost() || n.MayHold() || n.Condition() != "lost" || n.DirectoryID != "c1" {
		t.Fatalf("said twice: %+v", n)
	}
	refused(lose(3, "c1", "c3"), kerr.DuplicateBrokerRegistration, "lost its Raft log before")

	// It is not there for others.
	refused(&SetNodeState{Node: 2, State: topics.NodeRemoved, Force: true, ReplacedBy: 3}, kerr.InvalidRequest, "not an active node")
	must(&SetNodeState{Node: 1, State: topics.NodeDraining})
	refused(&SetNodeState{Node: 2, State: topics.NodeDraining}, kerr.InvalidRequest, "the last one")
	refused(lose(2, "b1", "b2"), kerr.InvalidRequest, "the last one")
	must(&SetNodeState{Node: 1, State: topics.NodeActive})

	// When it may come back, and who.
	refused(register(3, "c1"), kerr.DuplicateBrokerRegistration, "come back with the data folder c2")
	refused(register(3, "c3"), kerr.DuplicateBrokerRegistration)
	refused(register(3, "c2"), kerr.ReassignmentInProgress, "3 partitions have not left it", "0 others move", "-0")
	var held []*topics.PartitionPlacement
	log.View(func(r statestore.Reader) {
		for _, p := range Placements(r) {
			if p.Holds(3) {
				held = append(held, p)
			}
		}
	})
	for i, p := range held {
		must(&PlanMoves{Moves: []Move{{p.Topic, p.Partition, 0, []int32{1, 2}}}})
		refused(register(3, "c2"), kerr.ReassignmentInProgress)
		must(&CompleteMove{Move{p.Topic, p.Partition, 1, []int32{1, 2}}})
		if i < len(held)-1 {
			refused(register(3, "c2"), kerr.ReassignmentInProgress)
		}
	}
	// A target that was given up may have brought the node into a group, which no placement tells any more.
	first := held[0]
	must(&PlanMoves{Moves: []Move{{first.Topic, first.Partition, 1, []int32{1}}}})
	refused(register(3, "c2"), kerr.ReassignmentInProgress, "0 partitions have not left it", "1 others move", first.Topic)
	must(&CompleteMove{Move{first.Topic, first.Partition, 2, []int32{1}}})
	must(register(3, "c2"))
	if n := node(3); n.Lost() || !n.MayHold() || n.DirectoryID != "c2" || n.Condition() != "active" {
		t.Fatalf("it is back: %+v", n)
	}
	must(lose(3, "c1", "c2")) // it died before it knew, and asks again
	must(register(3, "c2"))
	refused(register(3, "c1"), kerr.DuplicateBrokerRegistration, "another data folder")
	refused(lose(3, "c1", "c3"), kerr.DuplicateBrokerRegistration)

	// A node that drains goes on with that.
	must(&SetNodeState{Node: 3, State: topics.NodeDraining})
	must(lose(3, "c2", "c3"))
	if n := node(3); n.Condition() != "draining, lost" {
		t.Fatalf("%+v: %s", n, n.Condition())
	}
	must(register(3, "c3"))
	if n := node(3); n.Condition() != "draining" {
		t.Fatalf("%+v", n)
	}
	must(lose(3, "c3", "c4"))
	must(&SetNodeState{Node: 3, State: topics.NodeRemoved})
	refused(register(3, "c4"), kerr.DuplicateBrokerRegistration, "was removed")
	refused(lose(3, "c3", "c4"), kerr.DuplicateBrokerRegistration, "was removed")
}
