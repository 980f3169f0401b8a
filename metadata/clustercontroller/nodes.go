package clustercontroller

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/clustercontroller/state"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/topics"
)

const (
	// planInterval is how long the controller waits after a plan that failed, and at most between two looks: a node that dies or comes back changes no record.
	planInterval = 5 * time.Second
	planPause    = 50 * time.Millisecond // between two plans, so that several changes share one
	planTimeout  = 10 * time.Second
)

// InitCluster returns the Metadata cluster's id, made now if there is none: node is then its first node.
func (c *Controller) InitCluster(ctx context.Context) (id string, err error) {
	if err := c.cfg.Log.ReadBarrier(ctx); err != nil {
		return "", fmt.Errorf("%s: %w", topics.ClusterMetadata, err)
	}
	if id := c.ClusterID(); id != "" {
		return id, nil
	}
	uuid := c.cfg.NewUUID()
	if err := c.propose(ctx, &state.InitCluster{ID: base64.RawURLEncoding.EncodeToString(uuid[:]), Node: c.cfg.NodeID}); err != nil {
		return "", err
	}
	id = c.ClusterID()
	c.cfg.Logger.Info("a Metadata cluster was made", "cluster_id", id, "node", c.cfg.NodeID)
	return id, nil
}

// ClusterID is the Metadata cluster's id as this replica knows it, empty for not yet.
func (c *Controller) ClusterID() (id string) {
	_ = c.view(func(r statestore.Reader) { // not known
		if m, ok := state.MetadataCluster(r); ok {
			id = m.ID
		}
	})
	return id
}

// RegisterNode writes down where a node is. kerr.DuplicateBrokerRegistration: its id belongs to another data folder, or to a node that was removed.
func (c *Controller) RegisterNode(ctx context.Context, node topics.Node) error {
	known, err := c.Layout(ctx)
	if err != nil {
		return err
	}
	for _, n := range known.Nodes {
		if n.ID == node.ID && sameRegistration(*n, node) {
			return nil
		}
	}
	if err := c.propose(ctx, &state.RegisterNode{Node: node}); err != nil {
		return err
	}
	c.cfg.Logger.Info("registered a metadata node", "node", node.ID, "raft_address", node.RaftAddress, "version", node.Version)
	return nil
}

// LoseNode writes down that a node lost the Raft log of one data folder, and is to come back with another. kerr.DuplicateBrokerRegistration: the node is not known with the first.
func (c *Controller) LoseNode(ctx context.Context, id int32, directory, next string) error {
	known, err := c.Layout(ctx)
	if err != nil {
		return err
	}
	for _, n := range known.Nodes {
		if n.ID == id && n.State != topics.NodeRemoved && (n.NextDirectoryID == next || n.DirectoryID == next) {
			return nil // asked twice
		}
	}
	if err := c.propose(ctx, &state.LoseNode{Node: id, Directory: directory, Next: next}); err != nil {
		return err
	}
	c.cfg.Logger.Warn("a metadata node lost its Raft log: its replicas move away, then it comes back", "node", id)
	return nil
}

// sameRegistration is false for a lost node: whether it may come back is decided by the state.
func sameRegistration(old, now topics.Node) bool {
	now.CreatedMillis, now.State, now.ReplacedBy = old.CreatedMillis, old.State, old.ReplacedBy
	return old.State != topics.NodeRemoved && string(topics.AppendClusterMetadata(nil, &old)) == string(topics.AppendClusterMetadata(nil, &now))
}

// Layout reads nodes, clusters and placements, current as of now.
func (c *Controller) Layout(ctx context.Context) (l Layout, err error) {
	if err := c.cfg.Log.ReadBarrier(ctx); err != nil {
		return l, fmt.Errorf("%s: %w", topics.ClusterMetadata, err)
	}
	err = c.view(func(r statestore.Reader) { l = layoutOf(r) })
	return l, err
}

// AddNode lets a node have replicas, again after a drain.
func (c *Controller) AddNode(ctx context.Context, id int32) error {
	return c.setNode(ctx, &state.SetNodeState{Node: id, State: topics.NodeActive})
}

// DrainNode moves a node's replicas and leaders away.
func (c *Controller) DrainNode(ctx context.Context, id int32) error {
	return c.setNode(ctx, &state.SetNodeState{Node: id, State: topics.NodeDraining})
}

// RemoveNode ends a node's membership for ever. It must be drained, unless force says that its replicas are to be rebuilt on other nodes.
func (c *Controller) RemoveNode(ctx context.Context, id int32, force bool) error {
	return c.setNode(ctx, &state.SetNodeState{Node: id, State: topics.NodeRemoved, Force: force})
}

// ReplaceNode ends the membership of a node that is dead, and rebuilds its replicas on another. Of a node that lives it wants force.
func (c *Controller) ReplaceNode(ctx context.Context, id, by int32, force bool) error {
	if c.cfg.Alive(id) && !force {
		return fmt.Errorf("node %d is alive: drain and remove it; --force replaces it all the same: %w", id, kerr.InvalidRequest)
	}
	return c.setNode(ctx, &state.SetNodeState{Node: id, State: topics.NodeRemoved, Force: true, ReplacedBy: by})
}

func (c *Controller) setNode(ctx context.Context, cmd *state.SetNodeState) error {
	l, err := c.Layout(ctx)
	if err != nil {
		return err
	}
	for _, n := range l.Nodes {
		if n.ID == cmd.Node && n.State == cmd.State && n.ReplacedBy == cmd.ReplacedBy {
			return nil // asked twice
		}
	}
	if err := c.propose(ctx, cmd); err != nil {
		return err
	}
	c.cfg.Logger.Info("a metadata node changes", "node", cmd.Node, "state", cmd.State.String(), "replaced_by", cmd.ReplacedBy, "force", cmd.Force)
	return nil
}

// AddBatchCoordinators gives a cluster count partitions of __batch_coordinates in all.
func (c *Controller) AddBatchCoordinators(ctx context.Context, name kafka.ClusterID, count int32) error {
	if count < 1 || count > maxCoordinators {
		return fmt.Errorf("%d batch coordinator partitions: want 1 to %d: %w", count, maxCoordinators, kerr.InvalidPartitions)
	}
	if err := c.propose(ctx, &state.AddBatchCoordinators{Name: name, Count: count}); err != nil {
		return err
	}
	c.cfg.Logger.Info("an Inkless cluster has more batch coordinators", "cluster", name, "batch_coordinators", count)
	return nil
}

// CompleteMove notes that the voters of a partition are the target of its move.
func (c *Controller) CompleteMove(ctx context.Context, m state.Move) error {
	return c.propose(ctx, &state.CompleteMove{Move: m})
}

func (c *Controller) planner() *planner {
	return &planner{Replicas: c.cfg.Replicas, MetadataReplicas: c.cfg.MetadataReplicas, MaxMoves: c.cfg.MaxMoves, alive: c.cfg.Alive}
}

// Run plans moves while this node leads __cluster_metadata, until ctx ends. The records are the plan: the next leader goes on with them.
func (c *Controller) Run(ctx context.Context) {
	for ctx.Err() == nil {
		changed := c.cfg.Log.LeadershipChanged()
		if !c.cfg.Log.Leadership().IsLeader {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		_, next := c.cfg.Log.Bounds()
		if err := c.planOnce(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, kerr.NotCoordinator) {
			c.cfg.Logger.Warn("could not plan where replicas are to be, trying again", "error", err)
		}
		c.awaitChange(ctx, next, changed)
		_ = clock.Sleep(ctx, c.cfg.Clock, planPause) // its error is ctx's end
	}
}

// awaitChange returns when there is something to look at.
func (c *Controller) awaitChange(ctx context.Context, next int64, changed <-chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := c.cfg.Clock.AfterFunc(planInterval, cancel)
	defer timer.Stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-changed:
			cancel()
		case <-ctx.Done():
		}
	}()
	_ = c.cfg.Log.Wait(ctx, next) // whatever ended it: look again
	cancel()
	<-done
}

func (c *Controller) planOnce(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer c.cfg.Clock.AfterFunc(planTimeout, cancel).Stop()
	l, err := c.Layout(ctx)
	if err != nil {
		return err
	}
	for _, cmd := range c.planner().plan(l) {
		if err := c.propose(ctx, cmd); err != nil {
			return err
		}
		if moves, ok := cmd.(*state.PlanMoves); ok {
			for _, m := range moves.Moves {
				c.cfg.Logger.Info("a partition moves", "topic", m.Topic, "partition", m.Partition, "nodes", m.Target)
			}
		}
	}
	return nil
}
