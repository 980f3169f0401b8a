package metadata

import (
	"errors"
	"fmt"
	"slices"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/batchcoordinator"
	batchstate "github.com/inkwell-project/inkwell/metadata/batchcoordinator/state"
	controllerstate "github.com/inkwell-project/inkwell/metadata/controller/state"
	"github.com/inkwell-project/inkwell/metadata/groupcoordinator"
	groupstate "github.com/inkwell-project/inkwell/metadata/groupcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/topics"
)

// kind is what a partition's replica is made of.
type kind struct {
	topic   raftlog.TopicConfig
	machine func() raftlog.StateMachine // one for each replica: it may hold scratch memory
}

var (
	metadataKind    = kind{raftlog.TopicConfig{Compacted: true}, func() raftlog.StateMachine { return controllerstate.Machine{} }}
	coordinatesKind = kind{batchCoordinatesTopic, func() raftlog.StateMachine { return batchstate.New() }}
	offsetsKind     = kind{raftlog.TopicConfig{Compacted: true}, func() raftlog.StateMachine { return groupstate.Machine{} }}
)

func (k kind) config(p *topics.PartitionPlacement) raftlog.GroupConfig {
	return raftlog.GroupConfig{ID: p.RaftGroup, Name: fmt.Sprintf("%s-%d", p.Topic, p.Partition), Machine: k.machine(), Topic: k.topic}
}

// startReplica opens this node's replica of a partition, or returns nil while it is being rebuilt. The voters of a partition that never moved begin it together; to one that moved
// this node comes later, and is sent what it needs by the others: it must not believe itself one of the first when its folder has nothing.
func (n *Node) startReplica(p *topics.PartitionPlacement, k kind) (raftlog.Log, error) {
	if log, underWay := n.rebuilds.take(p.RaftGroup); log != nil || underWay {
		return log, nil
	}
	cfg := k.config(p)
	if p.Move == 0 && slices.Contains(p.Voters, n.cfg.ID) {
		cfg.Voters = p.Voters
	}
	log, err := n.logs.StartGroup(cfg)
	switch {
	case err == nil:
		return log, nil
	case n.mayRebuild(p, err):
		n.rebuilds.begin(k.config(p), err)
		return nil, nil
	}
	return nil, fmt.Errorf("%s: %w", cfg.Name, err)
}

// retired ends this node's replica of a partition if nobody needs it, and says whether it did: the plan has it elsewhere, no move is under way, and the group itself says that this node is
// no member. The last matters where a leader works with another plan: an older one, or a newer one that brings the replica back, which this node has not seen yet.
func (n *Node) retired(p *topics.PartitionPlacement) bool {
	if len(p.Target) > 0 || p.Holds(n.cfg.ID) || !n.saidToBeNoMember(p.RaftGroup) {
		return false
	}
	ended, err := n.logs.Retire(p.RaftGroup)
	return err == nil && ended
}

// saidToBeNoMember by the replica itself or by the group's leader, as far as this node has heard.
func (n *Node) saidToBeNoMember(group uint64) bool {
	conditions, _ := n.logs.Conditions()
	for _, c := range conditions {
		if c.Group == group && c.Condition == raftlog.Removed {
			return true
		}
	}
	s, ok := n.peers.byLeader(group)
	if !ok || slices.Contains(s.Voters, n.cfg.ID) || slices.Contains(s.Learners, n.cfg.ID) {
		return false
	}
	own, err := n.logs.Status(group)
	return err != nil || s.Term >= own.Term
}

// matching brings one tenant's replicas to what the layout says. It makes a new tenant, for calls go on with the old one; retire ends what the new one has not.
type matching struct {
	n      *Node
	old    *tenant
	next   *tenant
	retire []func() error
	// touched: nothing else is to be shown, but next is not what old was.
	touched bool
}

// matchReplicas returns the tenant as it is to be, t itself if nothing changes. The caller shows it and then runs retire.
func (n *Node) matchReplicas(t *tenant, placed placements) (*tenant, []func() error, error) {
	next := *t
	next.batchLogs, next.groupLogs = slices.Clone(t.batchLogs), slices.Clone(t.groupLogs)
	next.batch, next.groups = slices.Clone(t.batch), slices.Clone(t.groups)
	next.groupIDs = slices.Clone(t.groupIDs)
	m := &matching{n: n, old: t, next: &next}
	changed, err := m.match(placed)
	if err != nil {
		return nil, nil, err
	}
	if !changed && !m.touched {
		return t, nil, nil
	}
	return m.next, m.retire, nil
}

func (m *matching) match(placed placements) (changed bool, err error) {
	t := m.next
	first := placed[topics.Metadata(t.cluster)][0]
	holds, has := first.Holds(m.n.cfg.ID), here(t.metadataLog)
	switch {
	case has && m.n.halted(first) != nil:
		changed = true
		m.endMetadata(first)
	case holds && !has:
		if changed, err = m.startMetadata(first); err != nil {
			return false, err
		}
	case !holds && !has && m.noneHere() && m.dropRebuild(first):
		t.image = nil
	}
	coordinators := int32(len(placed[topics.BatchCoordinates(t.cluster)]))
	if t.controller != nil {
		t.controller.SetBatchCoordinators(coordinators)
	}
	for _, p := range placed[topics.BatchCoordinates(t.cluster)] {
		did, err := m.matchBatch(p)
		if err != nil {
			return false, err
		}
		changed = changed || did
	}
	for _, p := range placed[topics.ConsumerOffsets(t.cluster)] {
		did, err := m.matchGroup(p)
		if err != nil {
			return false, err
		}
		changed = changed || did
	}
	if t.metadataLog == nil {
		t.metadataLog, changed = m.elsewhere(first), true
	}
	if here(t.metadataLog) && !first.Holds(m.n.cfg.ID) && m.noneHere() && m.n.retired(first) {
		changed = true
		m.retireMetadata(first)
	}
	return changed, nil
}

// noneHere says whether nothing on this node needs the cluster's image.
func (m *matching) noneHere() bool {
	return !slices.ContainsFunc(m.next.batchLogs, here) && !slices.ContainsFunc(m.next.groupLogs, here)
}

func (m *matching) elsewhere(p *topics.PartitionPlacement) raftlog.Log {
	return absent{m.n, p.RaftGroup, fmt.Sprintf("%s-%d", p.Topic, p.Partition)}
}

func (m *matching) startMetadata(p *topics.PartitionPlacement) (changed bool, err error) {
	log, err := m.n.startReplica(p, metadataKind)
	if err != nil {
		return false, err
	}
	m.remember(p)
	if log == nil {
		return false, nil
	}
	t := m.next
	t.metadataLog = log
	if err := m.n.startController(t); err != nil {
		return true, err
	}
	for i, c := range t.batch { // there are some if the replica was rebuilt: they look at the image that stood still
		if c == nil {
			continue
		}
		if err := c.Close(); err != nil { // first: both have the same metrics
			return true, err
		}
		if t.batch[i], err = m.n.newBatchCoordinator(t, int32(i), t.batchLogs[i]); err != nil {
			return true, err
		}
	}
	return true, nil
}

func (m *matching) remember(p *topics.PartitionPlacement) {
	if !slices.Contains(m.next.groupIDs, p.RaftGroup) {
		m.touched = true
		m.next.groupIDs = append(m.next.groupIDs, p.RaftGroup)
	}
}

func (m *matching) retireMetadata(p *topics.PartitionPlacement) {
	t := m.next
	watch, c, image := t.watch, t.controller, t.image
	t.watch, t.controller, t.image, t.metadataLog = nil, nil, nil, m.elsewhere(p)
	m.retire = append(m.retire, func() error {
		watch.close()
		return errors.Join(c.Close(), image.Close(), m.n.removeReplica(p))
	})
	m.forget(p)
}

func (m *matching) forget(p *topics.PartitionPlacement) {
	m.next.groupIDs = slices.DeleteFunc(m.next.groupIDs, func(id uint64) bool { return id == p.RaftGroup })
}

func (m *matching) matchBatch(p *topics.PartitionPlacement) (changed bool, err error) {
	t, i := m.next, int(p.Partition)
	if i >= len(t.batchLogs) {
		t.batchLogs, t.batch, changed = append(t.batchLogs, m.elsewhere(p)), append(t.batch, nil), true
	}
	holds, has := p.Holds(m.n.cfg.ID), here(t.batchLogs[i])
	switch {
	case has && m.n.halted(p) != nil:
		c := t.batch[i]
		t.batchLogs[i], t.batch[i] = m.elsewhere(p), nil
		m.rebuild(p, coordinatesKind, c.Close)
		return true, nil
	case holds && !has && t.image != nil:
		log, err := m.n.startReplica(p, coordinatesKind)
		if err != nil {
			return false, err
		}
		m.remember(p)
		if log == nil {
			return changed, nil
		}
		t.batchLogs[i] = log
		t.batch[i], err = m.n.newBatchCoordinator(t, p.Partition, log)
		return true, err
	case !holds && !has:
		m.dropRebuild(p)
	case has && !holds && m.n.retired(p):
		c := t.batch[i]
		t.batchLogs[i], t.batch[i] = m.elsewhere(p), nil
		m.retire = append(m.retire, func() error { return errors.Join(c.Close(), m.n.removeReplica(p)) })
		m.forget(p)
		return true, nil
	}
	return changed, nil
}

func (m *matching) matchGroup(p *topics.PartitionPlacement) (changed bool, err error) {
	t, i := m.next, int(p.Partition)
	if i >= len(t.groupLogs) {
		t.groupLogs, t.groups, changed = append(t.groupLogs, m.elsewhere(p)), append(t.groups, nil), true
	}
	holds, has := p.Holds(m.n.cfg.ID), here(t.groupLogs[i])
	switch {
	case has && m.n.halted(p) != nil:
		c := t.groups[i]
		t.groupLogs[i], t.groups[i] = m.elsewhere(p), nil
		m.rebuild(p, offsetsKind, c.Close)
		return true, nil
	case holds && !has:
		log, err := m.n.startReplica(p, offsetsKind)
		if err != nil {
			return false, err
		}
		m.remember(p)
		if log == nil {
			return changed, nil
		}
		t.groupLogs[i] = log
		t.groups[i], err = m.n.newGroupCoordinator(t.cluster, p.Partition, log)
		return true, err
	case !holds && !has:
		m.dropRebuild(p)
	case has && !holds && m.n.retired(p):
		c := t.groups[i]
		t.groupLogs[i], t.groups[i] = m.elsewhere(p), nil
		m.retire = append(m.retire, func() error { return errors.Join(c.Close(), m.n.removeReplica(p)) })
		m.forget(p)
		return true, nil
	}
	return changed, nil
}

// removeReplica deletes what this node has of a partition that is elsewhere now.
func (n *Node) removeReplica(p *topics.PartitionPlacement) error {
	if err := n.logs.RemoveGroup(p.RaftGroup); err != nil {
		return err
	}
	n.cfg.Logger.Info("a partition left this node", "topic", p.Topic, "partition", p.Partition, "nodes", p.Voters)
	return nil
}

func (n *Node) newBatchCoordinator(t *tenant, partition int32, log raftlog.Log) (*batchcoordinator.Coordinator, error) {
	return batchcoordinator.New(batchcoordinator.Config{
		Cluster: t.cluster, Partition: partition, Log: log, Metadata: tenantImage{t.image}, Clock: n.cfg.Clock, Logger: n.cfg.Logger, Registerer: n.cfg.Registerer,
		RetentionCheckInterval: n.cfg.Limits.RetentionCheckInterval, ObjectDeleteDelay: n.cfg.Limits.ObjectDeleteDelay,
		WorkLease: n.cfg.Limits.WorkLease, WorkRetryDelay: n.cfg.Limits.WorkRetryDelay, Work: n.cfg.Work,
		// It only rises: an old layout allows too little, never too much.
		Allow: func(int) bool { return n.layout.Load().level >= topics.FeatureLevel2 },
	})
}

func (n *Node) newGroupCoordinator(cluster kafka.ClusterID, partition int32, log raftlog.Log) (*groupcoordinator.Coordinator, error) {
	cfg := groupcoordinator.Config{
		Cluster: cluster, Partition: partition, Log: log, Clock: n.cfg.Clock, NewUUID: n.uuidText, Logger: n.cfg.Logger, Registerer: n.cfg.Registerer, Settings: n.cfg.Groups,
	}
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return groupcoordinator.New(cfg), nil
}
