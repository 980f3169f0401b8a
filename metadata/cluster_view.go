package metadata

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/clustercontroller/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/topics"
)

// clusterView is what __cluster_metadata says, read from this node's own replica up to its high watermark.
type clusterView struct {
	next       int64
	clusterID  string
	level      int32 // of topics.MetadataFeature, 0 for none
	nodes      map[int32]*topics.Node
	clusters   map[kafka.ClusterID]*topics.InklessCluster
	placements map[string]map[int32]*topics.PartitionPlacement // by topic and partition
}

func emptyView() *clusterView {
	return &clusterView{nodes: map[int32]*topics.Node{}, clusters: map[kafka.ClusterID]*topics.InklessCluster{}, placements: map[string]map[int32]*topics.PartitionPlacement{}}
}

// catchUp applies the records that there are.
func (v *clusterView) catchUp(log raftlog.Log) error {
	for {
		start, highWatermark := log.Bounds()
		records, err := log.Read(v.next, 1<<20)
		if errors.Is(err, kerr.OffsetOutOfRange) && v.next != start {
			*v = *emptyView()
			v.next = start
			continue
		}
		if err != nil {
			return fmt.Errorf("reading %s at %d: %w", topics.ClusterMetadata, v.next, err)
		}
		for _, r := range records {
			if err := v.apply(r); err != nil {
				return fmt.Errorf("%s at offset %d: %w", topics.ClusterMetadata, r.Offset, err)
			}
			v.next = r.Offset + 1
		}
		if len(records) == 0 {
			v.next = max(v.next, highWatermark)
			return nil
		}
	}
}

func (v *clusterView) apply(r raftlog.Record) error {
	if r.Value == nil {
		return v.remove(string(r.Key))
	}
	record, err := topics.DecodeClusterMetadata(r.Value)
	if err != nil {
		return err
	}
	switch record := record.(type) {
	case *topics.MetadataCluster:
		v.clusterID = record.ID
	case *topics.FeatureLevel:
		if record.Name == topics.MetadataFeature {
			v.level = record.Level
		}
	case *topics.Node:
		v.nodes[record.ID] = record
	case *topics.InklessCluster:
		v.clusters[record.Name] = record
	case *topics.PartitionPlacement:
		if v.placements[record.Topic] == nil {
			v.placements[record.Topic] = map[int32]*topics.PartitionPlacement{}
		}
		v.placements[record.Topic][record.Partition] = record
	}
	return nil
}

// remove takes a tombstone's key: only placements get one.
func (v *clusterView) remove(key string) error {
	rest, ok := strings.CutPrefix(key, "placement/")
	if !ok {
		return nil
	}
	slash := strings.LastIndexByte(rest, '/')
	if slash < 0 {
		return fmt.Errorf("key %q: %w", key, topics.ErrCorrupt)
	}
	partition, err := strconv.ParseInt(rest[slash+1:], 10, 32)
	if err != nil {
		return fmt.Errorf("key %q: %w", key, topics.ErrCorrupt)
	}
	delete(v.placements[rest[:slash]], int32(partition))
	return nil
}

// placed are the partitions of one cluster; ok is false until all of them are there.
func (v *layout) placed(c *topics.InklessCluster) (_ placements, ok bool) {
	out := placements{}
	for topic, want := range map[string]int32{
		topics.Metadata(c.Name): 1, topics.BatchCoordinates(c.Name): c.BatchCoordinatorPartitions, topics.ConsumerOffsets(c.Name): c.GroupCoordinatorPartitions,
	} {
		for p := range want {
			placed := v.placements[topic][p]
			if placed == nil {
				return nil, false
			}
			out[topic] = append(out[topic], placed)
		}
	}
	return out, true
}

// leavingInterval is how often a node looks whether replicas that are elsewhere now may go.
const leavingInterval = time.Second

// followClusters brings what this node serves to what __cluster_metadata says, until ctx ends.
func (n *Node) followClusters(ctx context.Context) {
	view, swept := emptyView(), false
	for ctx.Err() == nil {
		err := view.catchUp(n.clusterLog)
		if err == nil {
			err = n.adopt(view.layout())
		}
		if err == nil {
			n.adopted.Store(view.next)
		}
		if err == nil && !swept {
			swept, err = true, n.removeLeftovers()
		}
		if err == nil {
			err = n.awaitRecords(ctx, view.next)
		}
		if err != nil && ctx.Err() == nil {
			err = n.condemnClusterMetadata(err)
			n.fail(fmt.Errorf("this node cannot follow %s: %w", topics.ClusterMetadata, err))
			return
		}
	}
}

// adopt makes l what this node goes by.
func (n *Node) adopt(l *layout) error {
	n.layout.Store(l)
	n.rebuilds.look()
	n.connect()
	addresses := map[int32]string{}
	for _, m := range l.present() {
		if address := addressOf(m); address != "" && m.ID != n.cfg.ID && n.cfg.RaftListener != nil {
			addresses[m.ID] = address
		}
	}
	n.peers.set(addresses)
	if _, err := n.rememberPeers(l); err != nil {
		n.cfg.Logger.Warn("this node could not write down where the other nodes are; it needs --join if its replicas must be rebuilt", "error", err)
	}
	if own := l.nodes[n.cfg.ID]; !n.isOwn(own) {
		if own != nil && own.DirectoryID == n.identity.DirectoryID {
			return fmt.Errorf("another process with --node.id %d has said that the node lost the Raft log of the data folder %s, which is this one's: the node is to come back with another: end one of the two", own.ID, own.DirectoryID)
		}
		n.show()
		return nil // what it says of this node's replicas is about those of a log that was lost
	}
	if err := n.matchOwnOffsets(l); err != nil {
		return err
	}
	if err := n.matchTenants(l); err != nil {
		return err
	}
	n.show()
	return nil
}

// awaitRecords returns when there are more records, when a replica halted or was rebuilt, or when it is time to look at replicas that are to go.
func (n *Node) awaitRecords(ctx context.Context, next int64) error {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	if n.hasLeaving() {
		waiting, cancel = within(ctx, n.cfg.Clock, leavingInterval)
		defer cancel()
	}
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() {
		n.rebuilds.awaitChange(waiting)
		cancel()
	})
	if err := n.clusterLog.Wait(waiting, next); err != nil && waiting.Err() == nil {
		return err
	}
	return nil
}

// hasLeaving says whether this node has replicas that the layout has elsewhere.
func (n *Node) hasLeaving() bool {
	l := n.layout.Load()
	leaving := func(topic string, log raftlog.Log, partition int) bool {
		p := l.placement(topic, int32(partition))
		return p != nil && !p.Holds(n.cfg.ID) && (here(log) || n.rebuilds.has(p.RaftGroup))
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	if leaving(state.OwnOffsetsTopic, n.ownOffsets, 0) {
		return true
	}
	for name, t := range n.tenants {
		if leaving(topics.Metadata(name), t.metadataLog, 0) {
			return true
		}
		for p, log := range t.batchLogs {
			if leaving(topics.BatchCoordinates(name), log, p) {
				return true
			}
		}
		for p, log := range t.groupLogs {
			if leaving(topics.ConsumerOffsets(name), log, p) {
				return true
			}
		}
	}
	return false
}
