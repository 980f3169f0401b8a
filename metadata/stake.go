package metadata

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/topics"
)

// maxStakesTold bounds the partitions that a refusal names.
const maxStakesTold = 3

// mayLose refuses to end a node by force while it is what keeps a majority together: another replica of the partition is being rebuilt, or its node is away. A node that does not answer
// holds no majority, so nothing is lost with it.
func (n *Node) mayLose(node int32) error {
	if !n.clusterLog.Leadership().IsLeader || !n.alive(node) {
		return nil // the controller says so, or decides
	}
	var told []string
	count := 0
	for _, partitions := range n.layout.Load().placements {
		for _, p := range partitions {
			if text := n.stake(p, node); text != "" {
				told = append(told, text)
				count++
			}
		}
	}
	if count == 0 {
		return nil
	}
	slices.Sort(told)
	return fmt.Errorf("node %d cannot go: %d partitions would be left without a majority, such as %s; wait until all nodes are alive and have rebuilt their replicas, or stop node %d first if it must go: %w",
		node, count, strings.Join(told[:min(count, maxStakesTold)], ", "), node, kerr.InvalidRequest)
}

// stake says what a partition would have left without a node, empty if that is enough or if nobody knows.
func (n *Node) stake(p *topics.PartitionPlacement, node int32) string {
	var voters, inSync []int32
	if s, err := n.logs.Status(p.RaftGroup); err == nil && s.IsLeader {
		voters, inSync = s.Voters, n.inSync(&s)
	} else if told, ok := n.peers.byLeader(p.RaftGroup); ok {
		voters, inSync = told.Voters, told.InSync
	}
	if !slices.Contains(voters, node) || !slices.Contains(inSync, node) || len(voters) == 1 {
		return ""
	}
	left := slices.DeleteFunc(slices.Clone(inSync), func(v int32) bool { return v == node })
	if len(left) > len(voters)/2 {
		return ""
	}
	return fmt.Sprintf("%s-%d (voters %v, of which without it only %v follow)", p.Topic, p.Partition, voters, left)
}
