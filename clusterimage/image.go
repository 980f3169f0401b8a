package clusterimage

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/configs"
	"github.com/inkwell-project/inkwell/topics"
)

// Image is the cluster's metadata at one offset.
type Image struct {
	offset       int64
	topicsByID   *sharded[kafka.TopicID, *topics.Topic]
	topicsByName *sharded[string, *topics.Topic]
	configs      *sharded[resource, *config]
	defaults     *configs.TopicSettings // of a topic without settings of its own
	brokers      []*topics.Broker       // by id
	features     []*topics.Feature      // by name
	producerIDs  int64
	partitions   int
	sorted       *atomic.Pointer[[]*topics.Topic] // of Topics; shared by images with the same topics
}

// resource names what a config is of.
type resource struct {
	typ  int8
	name string
}

func hashResource(r resource) uint8    { return hashName(r.name) + uint8(r.typ) }
func hashTopic(id kafka.TopicID) uint8 { return id[0] ^ id[7] ^ id[15] }

// config is one resource's settings; for a topic also what they come to with the cluster's defaults.
type config struct {
	record   *topics.ConfigResource
	settings *configs.TopicSettings
}

// Empty is the image before the first record.
func Empty() *Image {
	defaults := configs.ResolveTopic(configs.None, configs.None)
	return &Image{
		offset:       -1,
		topicsByID:   &sharded[kafka.TopicID, *topics.Topic]{},
		topicsByName: &sharded[string, *topics.Topic]{},
		configs:      &sharded[resource, *config]{},
		defaults:     &defaults,
		sorted:       new(atomic.Pointer[[]*topics.Topic]),
	}
}

// Offset is that of the last record that the image shows, -1 for none.
func (i *Image) Offset() int64 { return i.offset }

// TopicByName finds a topic.
func (i *Image) TopicByName(name string) (*topics.Topic, bool) {
	return i.topicsByName.get(name, hashName(name))
}

// TopicByID finds a topic.
func (i *Image) TopicByID(id kafka.TopicID) (*topics.Topic, bool) {
	return i.topicsByID.get(id, hashTopic(id))
}

// TopicCount is how many topics there are, PartitionCount how many partitions they have together.
func (i *Image) TopicCount() int { return i.topicsByID.len }

// PartitionCount is the number of partitions of all topics.
func (i *Image) PartitionCount() int { return i.partitions }

// Topics are all topics by name. The slice is made at the first call and shared.
func (i *Image) Topics() []*topics.Topic {
	if sorted := i.sorted.Load(); sorted != nil {
		return *sorted
	}
	all := make([]*topics.Topic, 0, i.topicsByID.len)
	for s := range i.topicsByID.shards {
		for _, t := range i.topicsByID.shards[s] {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b *topics.Topic) int { return strings.Compare(a.Name, b.Name) })
	i.sorted.Store(&all) // two callers at once make the same slice
	return all
}

// Coordinator is the partition of __batch_coordinates that owns tp; false when the image has no such partition.
func (i *Image) Coordinator(tp kafka.TopicIDPartition) (int32, bool) {
	t, ok := i.TopicByID(tp.ID)
	if !ok || tp.Partition < 0 || int(tp.Partition) >= len(t.Coordinators) {
		return 0, false
	}
	return t.Coordinators[tp.Partition], true
}

// TopicSettings is what is in force for a topic: its own settings, else the cluster's, else Kafka's defaults. The result is shared; as long as nothing changed
// the pointer is the same.
func (i *Image) TopicSettings(t *topics.Topic) *configs.TopicSettings {
	r := resource{topics.ConfigTopic, t.Name}
	if c, ok := i.configs.get(r, hashResource(r)); ok {
		return c.settings
	}
	return i.defaults
}

// Config has a resource's own dynamic settings, nil when it has none. The name of the cluster-wide default of brokers is "".
func (i *Image) Config(typ int8, name string) *topics.ConfigResource {
	r := resource{typ, name}
	if c, ok := i.configs.get(r, hashResource(r)); ok {
		return c.record
	}
	return nil
}

// Brokers are all registered brokers by id, fenced ones too.
func (i *Image) Brokers() []*topics.Broker { return i.brokers }

// Broker finds one by id.
func (i *Image) Broker(id int32) (*topics.Broker, bool) {
	at, ok := findBroker(i.brokers, id)
	if !ok {
		return nil, false
	}
	return i.brokers[at], true
}

// BatchCoordinators is how many partitions __batch_coordinates has at least: one more than the last one that a topic is placed on.
func (i *Image) BatchCoordinators() (n int32) {
	for s := range i.topicsByID.shards {
		for _, t := range i.topicsByID.shards[s] {
			for _, c := range t.Coordinators {
				n = max(n, c+1)
			}
		}
	}
	return n
}

// EpochOver says that a broker epoch has ended and never comes back; false also for one that this image is too old to know.
func (i *Image) EpochOver(epoch int64) bool {
	return epoch <= i.offset && !slices.ContainsFunc(i.brokers, func(b *topics.Broker) bool { return b.Epoch == epoch && !b.Fenced })
}

// NextProducerID is the first producer id that was not handed out yet.
func (i *Image) NextProducerID() int64 { return i.producerIDs }

// Features are the finalized features by name.
func (i *Image) Features() []*topics.Feature { return i.features }

func findBroker(brokers []*topics.Broker, id int32) (int, bool) {
	return slices.BinarySearchFunc(brokers, id, func(b *topics.Broker, id int32) int { return int(int64(b.ID) - int64(id)) })
}

func findFeature(features []*topics.Feature, name string) (int, bool) {
	return slices.BinarySearchFunc(features, name, func(f *topics.Feature, name string) int { return strings.Compare(f.Name, name) })
}
