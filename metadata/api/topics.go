package api

import (
	"crypto/sha256"
	"sort"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
)

// Topic is one topic of the Metadata Kafka Cluster.
type Topic struct {
	Name       string
	Config     raftlog.TopicConfig // what DescribeConfigs shows
	Partitions []Partition
}

// Partition is one partition of a Topic.
type Partition struct {
	Log    raftlog.Log // nil where this node has no replica: clients are told to look elsewhere
	Voters []int32     // node ids of its replicas
	// InSync are those that follow the leader; nil: all of them.
	InSync func() []int32
}

// Topics is an immutable set of topics. A node makes a new one when an Inkless cluster comes or goes.
type Topics struct {
	sorted []*topic // by name
	byName map[string]*topic
	byID   map[kafka.TopicID]*topic
}

type topic struct {
	Topic
	id kafka.TopicID
}

// NewTopics makes the set of ts.
func NewTopics(ts []Topic) *Topics {
	out := &Topics{byName: make(map[string]*topic, len(ts)), byID: make(map[kafka.TopicID]*topic, len(ts))}
	for _, t := range ts {
		made := &topic{Topic: t, id: TopicID(t.Name)}
		out.sorted = append(out.sorted, made)
		out.byName[t.Name], out.byID[made.id] = made, made
	}
	sort.Slice(out.sorted, func(i, j int) bool { return out.sorted[i].Name < out.sorted[j].Name })
	return out
}

// TopicID is the id of the Metadata Kafka Cluster's topic name. A name is never used twice, for names of deleted Inkless clusters are not, so an id may
// follow from it and be the same on all nodes.
func TopicID(name string) kafka.TopicID {
	sum := sha256.Sum256([]byte("inkwell metadata topic " + name))
	id := kafka.TopicID(sum[:16])
	id[6] = id[6]&0x0f | 0x80 // a UUID of version 8: made by a rule of its maker's
	id[8] = id[8]&0x3f | 0x80
	return id
}

func (t *Topics) named(name string) (*topic, bool) {
	found, ok := t.byName[name]
	return found, ok
}

func (t *Topics) identified(id kafka.TopicID) (*topic, bool) {
	found, ok := t.byID[id]
	return found, ok
}

func (t *topic) partition(p int32) (*Partition, bool) {
	if p < 0 || int(p) >= len(t.Partitions) {
		return nil, false
	}
	return &t.Partitions[p], true
}

// leader is the node that leads the partition, -1 when that is not known here.
func (p *Partition) leader() int32 {
	if p.Log == nil {
		return -1
	}
	return p.Log.Leadership().Leader
}

// inSync are the replicas that follow the leader.
func (p *Partition) inSync() []int32 {
	if p.InSync == nil {
		return p.Voters
	}
	return p.InSync()
}

// led says whether this node's replica leads.
func (p *Partition) led() bool { return p.Log != nil && p.Log.Leadership().IsLeader }
