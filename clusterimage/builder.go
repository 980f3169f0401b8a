package clusterimage

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/configs"
	"github.com/inkwell-project/inkwell/topics"
)

// Builder applies records to an image. The images that it makes are immutable: one is made per batch of records, not per record.
type Builder struct {
	image         Image // what Build copies; its slices are replaced, never changed
	byID          editor[kafka.TopicID, *topics.Topic]
	byName        editor[string, *topics.Topic]
	configs       editor[resource, *config]
	topicsChanged bool
}

// Edit starts from i, which does not change.
func (i *Image) Edit() *Builder {
	return &Builder{
		image:   *i,
		byID:    editor[kafka.TopicID, *topics.Topic]{m: i.topicsByID, hash: hashTopic},
		byName:  editor[string, *topics.Topic]{m: i.topicsByName, hash: hashName},
		configs: editor[resource, *config]{m: i.configs, hash: hashResource},
	}
}

// Apply applies the record at offset; a nil value is a tombstone. The bytes are not kept.
func (b *Builder) Apply(offset int64, key, value []byte) error {
	if offset <= b.image.offset {
		return nil
	}
	k, err := topics.ParseMetadataKey(key)
	if err != nil {
		return fmt.Errorf("offset %d: %w", offset, err)
	}
	if value == nil {
		b.remove(k)
		b.image.offset = offset
		return nil
	}
	r, err := topics.DecodeMetadata(value)
	if err != nil {
		return fmt.Errorf("offset %d, key %q: %w", offset, key, err)
	}
	if r.Key() != k {
		return fmt.Errorf("offset %d: key %q has a value about %q: %w", offset, key, r.Key(), topics.ErrCorrupt)
	}
	b.put(r)
	b.image.offset = offset
	return nil
}

// Advance says that there is no record between the last one and offset, or that it was compacted away: the image is as of offset.
func (b *Builder) Advance(offset int64) { b.image.offset = max(b.image.offset, offset) }

// Offset is that of the last record.
func (b *Builder) Offset() int64 { return b.image.offset }

// Build is the image as of the last record. The builder may go on.
func (b *Builder) Build() *Image {
	i := b.image
	i.topicsByID, i.topicsByName, i.configs = b.byID.publish(), b.byName.publish(), b.configs.publish()
	if b.topicsChanged {
		i.sorted = new(atomic.Pointer[[]*topics.Topic])
		b.image.sorted, b.topicsChanged = i.sorted, false
	}
	return &i
}

func (b *Builder) put(r topics.MetadataRecord) {
	switch r := r.(type) {
	case *topics.Topic:
		b.removeTopic(r.ID)
		if old, ok := b.byName.get(r.Name); ok { // a compacted log may have lost the tombstone of the earlier topic of the name
			b.removeTopic(old.ID)
		}
		b.byID.set(r.ID, r)
		b.byName.set(r.Name, r)
		b.image.partitions += len(r.Coordinators)
		b.topicsChanged = true
	case *topics.ConfigResource:
		key := resource{r.Type, r.Name}
		b.configs.set(key, b.resolve(r))
		b.defaultsChanged(key)
	case *topics.Broker:
		at, ok := findBroker(b.image.brokers, r.ID)
		brokers := slices.Clone(b.image.brokers)
		if ok {
			brokers[at] = r
		} else {
			brokers = slices.Insert(brokers, at, r)
		}
		b.image.brokers = brokers
	case *topics.ProducerIDs:
		b.image.producerIDs = r.Next
	case *topics.Feature:
		at, ok := findFeature(b.image.features, r.Name)
		features := slices.Clone(b.image.features)
		if ok {
			features[at] = r
		} else {
			features = slices.Insert(features, at, r)
		}
		b.image.features = features
	}
}

func (b *Builder) remove(k topics.MetadataKey) {
	switch k.Kind {
	case topics.KeyTopic:
		b.removeTopic(k.TopicID)
	case topics.KeyConfig:
		key := resource{k.Type, k.Name}
		b.configs.delete(key)
		b.defaultsChanged(key)
	case topics.KeyBroker:
		if at, ok := findBroker(b.image.brokers, k.Broker); ok {
			b.image.brokers = slices.Delete(slices.Clone(b.image.brokers), at, at+1)
		}
	case topics.KeyProducerIDs:
		b.image.producerIDs = 0
	case topics.KeyFeature:
		if at, ok := findFeature(b.image.features, k.Name); ok {
			b.image.features = slices.Delete(slices.Clone(b.image.features), at, at+1)
		}
	}
}

func (b *Builder) removeTopic(id kafka.TopicID) {
	t, ok := b.byID.get(id)
	if !ok {
		return
	}
	b.byID.delete(id)
	if named, ok := b.byName.get(t.Name); ok && named.ID == id {
		b.byName.delete(t.Name)
	}
	b.image.partitions -= len(t.Coordinators)
	b.topicsChanged = true
}

// resolve computes a topic's settings; other resources only keep theirs.
func (b *Builder) resolve(r *topics.ConfigResource) *config {
	c := &config{record: r}
	if r.Type == topics.ConfigTopic {
		s := configs.ResolveTopic(Lookup(r), b.clusterDefault())
		c.settings = &s
	}
	return c
}

// defaultsChanged computes all topics' settings anew when the cluster-wide defaults are what changed. That is rare.
func (b *Builder) defaultsChanged(key resource) {
	if key != (resource{topics.ConfigBroker, ""}) {
		return
	}
	s := configs.ResolveTopic(configs.None, b.clusterDefault())
	b.image.defaults = &s
	var all []*topics.ConfigResource
	for shard := range b.configs.m.shards {
		for r, c := range b.configs.m.shards[shard] {
			if r.typ == topics.ConfigTopic {
				all = append(all, c.record)
			}
		}
	}
	for _, r := range all { // each on its own: their order does not show
		b.configs.set(resource{r.Type, r.Name}, b.resolve(r))
	}
}

func (b *Builder) clusterDefault() configs.Lookup {
	c, ok := b.configs.get(resource{topics.ConfigBroker, ""})
	if !ok {
		return configs.None
	}
	return Lookup(c.record)
}

// Lookup reads a resource's own settings; r may be nil.
func Lookup(r *topics.ConfigResource) configs.Lookup {
	if r == nil {
		return configs.None
	}
	return func(name string) (string, bool) {
		for i := range r.Settings {
			if r.Settings[i].Name == name {
				return r.Settings[i].Value, true
			}
		}
		return "", false
	}
}
