package clustercontroller

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/clustercontroller/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog/raftlogtest"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/topics"
)

// TestPlansComeToAnEnd: whatever nodes come, drain, are replaced and lose their logs, and however long moves take, the plans end with every partition on as many active nodes as it is to be on, all
// partitions of a cluster on the same ones, and few moves at a time. Then those that lost their logs can come back, and get replicas again.
func TestPlansComeToAnEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := raftlogtest.New(state.Machine{})
		p := &planner{Replicas: 3, MetadataReplicas: 3, MaxMoves: 4}
		propose := func(cmd state.Command) error {
			result, err := log.Propose(t.Context(), state.Encode(1, cmd))
			if err != nil {
				t.Fatal(err)
			}
			return result.(state.Result).Err
		}
		layout := func() (l Layout) {
			log.View(func(r statestore.Reader) { l = layoutOf(r) })
			return l
		}
		propose(&state.InitCluster{ID: "id", Node: 1})
		nodes, clusters := int32(0), 0
		join := func() {
			nodes++
			propose(&state.RegisterNode{Node: topics.Node{ID: nodes, DirectoryID: "d"}})
		}
		join()
		step := func() (more bool) {
			for _, cmd := range p.plan(layout()) {
				more = true
				propose(cmd)
			}
			moving := 0
			for _, placed := range layout().Placements {
				if len(placed.Target) > 0 {
					moving++
				}
			}
			if moving > p.MaxMoves {
				t.Fatalf("%d moves at a time", moving)
			}
			for _, placed := range layout().Placements {
				if len(placed.Target) > 0 && rapid.Bool().Draw(t, "done") {
					propose(&state.CompleteMove{Move: state.Move{Topic: placed.Topic, Partition: placed.Partition, Number: placed.Move, Target: placed.Target}})
				}
			}
			return more || moving > 0
		}
		for range rapid.IntRange(1, 15).Draw(t, "events") {
			switch rapid.IntRange(0, 5).Draw(t, "event") {
			case 0:
				join()
			case 1:
				propose(&state.SetNodeState{Node: rapid.Int32Range(1, nodes).Draw(t, "node"), State: topics.NodeDraining})
			case 2:
				propose(&state.SetNodeState{Node: rapid.Int32Range(1, nodes).Draw(t, "node"), State: topics.NodeRemoved, Force: true, ReplacedBy: rapid.Int32Range(0, nodes).Draw(t, "by")})
			case 3:
				clusters++
				propose(&state.CreateCluster{Name: kafka.ClusterID(rune('a' + clusters)), BatchCoordinators: 2, GroupCoordinators: 1, Voters: p.place(layout(), 1)})
			case 4:
				id := rapid.Int32Range(1, nodes).Draw(t, "node")
				for _, n := range layout().Nodes {
					if n.ID == id {
						propose(&state.LoseNode{Node: id, Directory: n.DirectoryID, Next: n.DirectoryID + "+"})
					}
				}
			}
			step()
		}
		settle := func() {
			for n := 0; step(); n++ {
				if n > 2000 {
					t.Fatalf("the plans do not end: %+v", layout())
				}
			}
			checkPlaced(t, p, layout())
		}
		settle()
		for _, n := range layout().Nodes {
			if n.Lost() && n.State != topics.NodeRemoved {
				if err := propose(&state.RegisterNode{Node: topics.Node{ID: n.ID, DirectoryID: n.NextDirectoryID}}); err != nil {
					t.Fatalf("node %d does not come back: %v", n.ID, err)
				}
			}
		}
		settle()
	})
}

func checkPlaced(t *rapid.T, p *planner, l Layout) {
	p.read(l)
	nodesOf := map[string][]int32{}
	for _, placed := range l.Placements {
		if len(placed.Voters) != min(3, len(p.active)) || !contains(p.active, placed.Voters) {
			t.Fatalf("%s-%d is on %v of the active %v", placed.Topic, placed.Partition, placed.Voters, p.active)
		}
		nodesOf[placed.Topic] = state.Sorted(placed.Voters)
	}
	for _, c := range l.Clusters {
		for _, topic := range []string{topics.Metadata(c.Name), topics.BatchCoordinates(c.Name), topics.ConsumerOffsets(c.Name)} {
			if !slices.Equal(nodesOf[topic], c.Nodes) {
				t.Fatalf("%s is on %v, its cluster on %v", topic, nodesOf[topic], c.Nodes)
			}
		}
	}
}
