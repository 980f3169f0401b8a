package clusterimage

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/topics"
)

type logRecord struct {
	offset     int64
	key, value []byte
}

func apply(t interface{ Fatal(...any) }, i *Image, records []logRecord) *Image {
	b := i.Edit()
	for _, r := range records {
		if err := b.Apply(r.offset, r.key, r.value); err != nil {
			t.Fatal(err)
		}
	}
	return b.Build()
}

func put(offset int64, r topics.MetadataRecord) logRecord {
	return logRecord{offset, r.Key().Bytes(), topics.AppendMetadata(nil, r)}
}

// shown is everything that an image shows, in a form that can be compared.
type shown struct {
	Topics    []topics.Topic
	Configs   map[resource]topics.ConfigResource
	Settings  map[string]string
	Brokers   []topics.Broker
	Features  []topics.Feature
	Producer  int64
	Count     int
	Partition int
}

func show(i *Image) shown {
	s := shown{Configs: map[resource]topics.ConfigResource{}, Settings: map[string]string{}, Producer: i.NextProducerID(), Count: i.TopicCount(), Partition: i.PartitionCount()}
	for _, t := range i.Topics() {
		s.Topics = append(s.Topics, *t)
		s.Settings[t.Name] = fmt.Sprintf("%+v", *i.TopicSettings(t))
		if byName, ok := i.TopicByName(t.Name); !ok || byName != t {
			panic("topic " + t.Name + " is not found by its name")
		}
	}
	for shard := range i.configs.shards {
		for r, c := range i.configs.shards[shard] {
			s.Configs[r] = *c.record
		}
	}
	for _, b := range i.Brokers() {
		s.Brokers = append(s.Brokers, *b)
	}
	for _, f := range i.Features() {
		s.Features = append(s.Features, *f)
	}
	return s
}

// TestIncrementalImageIsRebuiltImage: an image that followed every record, in steps of any size, shows what an image shows that
// was built from the compacted log; and no image changes once it was made.
func TestIncrementalImageIsRebuiltImage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := history(t)
		image := Empty()
		var images []*Image
		var before []shown
		for at := 0; at < len(log); {
			n := rapid.IntRange(1, 5).Draw(t, "step")
			end := min(at+n, len(log))
			image = apply(t, image, log[at:end])
			at = end
			images, before = append(images, image), append(before, show(image))
		}
		var compacted []logRecord
		for at, r := range log {
			if !slices.ContainsFunc(log[at+1:], func(later logRecord) bool { return string(later.key) == string(r.key) }) {
				compacted = append(compacted, r)
			}
		}
		rebuilt := apply(t, Empty(), compacted)
		if got, want := show(image), show(rebuilt); !reflect.DeepEqual(got, want) {
			t.Fatalf("incremental:\n%+v\nrebuilt:\n%+v", got, want)
		}
		if image.Offset() != rebuilt.Offset() {
			t.Fatalf("offset %d, rebuilt %d", image.Offset(), rebuilt.Offset())
		}
		for n := range images {
			if now := show(images[n]); !reflect.DeepEqual(now, before[n]) {
				t.Fatalf("image %d of %d changed:\nwas %+v\nnow %+v", n, len(images), before[n], now)
			}
		}
	})
}

// history makes a log as the controller would write it: a topic's config goes with the topic, a name has one topic at a time.
func history(t *rapid.T) (log []logRecord) {
	byName := map[string]*topics.Topic{}
	add := func(key topics.MetadataKey, value []byte) {
		log = append(log, logRecord{int64(len(log)), key.Bytes(), value})
	}
	names := []string{"a", "b", "c.d", "e"}
	for n := range rapid.IntRange(1, 40).Draw(t, "records") {
		name := rapid.SampledFrom(names).Draw(t, "name")
		switch rapid.IntRange(0, 6).Draw(t, "kind") {
		case 0, 1:
			topic := &topics.Topic{ID: kafka.TopicID{byte(n + 1), 1}, Name: name}
			if old, ok := byName[name]; ok {
				topic.ID, topic.Coordinators = old.ID, slices.Clone(old.Coordinators)
			}
			topic.Coordinators = append(topic.Coordinators, int32(n%3))
			byName[name] = topic
			add(topic.Key(), topics.AppendMetadata(nil, topic))
		case 2:
			if old, ok := byName[name]; ok {
				delete(byName, name)
				add(old.Key(), nil)
				add(topics.MetadataKey{Kind: topics.KeyConfig, Type: topics.ConfigTopic, Name: name}, nil)
			}
		case 3:
			r := &topics.ConfigResource{Type: topics.ConfigTopic, Name: name, Settings: []topics.Setting{{Name: "retention.ms", Value: fmt.Sprint(n)}}}
			add(r.Key(), topics.AppendMetadata(nil, r))
		case 4:
			r := &topics.ConfigResource{Type: topics.ConfigBroker, Settings: []topics.Setting{{Name: "message.max.bytes", Value: fmt.Sprint(n)}}}
			if n%4 == 0 {
				add(r.Key(), nil)
				continue
			}
			add(r.Key(), topics.AppendMetadata(nil, r))
		case 5:
			r := &topics.Broker{ID: int32(n % 3), Epoch: int64(len(log))}
			if n%5 == 0 {
				add(r.Key(), nil)
				continue
			}
			add(r.Key(), topics.AppendMetadata(nil, r))
		case 6:
			p := &topics.ProducerIDs{Next: int64(n)}
			add(p.Key(), topics.AppendMetadata(nil, p))
			f := &topics.Feature{Name: name, Level: int16(n)}
			add(f.Key(), topics.AppendMetadata(nil, f))
		}
	}
	return log
}

func TestSettingsFollowTheDefaults(t *testing.T) {
	topic := &topics.Topic{ID: kafka.TopicID{1}, Name: "a", Coordinators: []int32{0}}
	plain := &topics.Topic{ID: kafka.TopicID{2}, Name: "b", Coordinators: []int32{0, 3}}
	image := apply(t, Empty(), []logRecord{
		put(0, topic), put(1, plain),
		put(2, &topics.ConfigResource{Type: topics.ConfigTopic, Name: "a", Settings: []topics.Setting{{Name: "retention.ms", Value: "5"}}}),
		put(3, &topics.ConfigResource{Type: topics.ConfigBroker, Settings: []topics.Setting{{Name: "log.retention.ms", Value: "7"}, {Name: "log.cleanup.policy", Value: "compact"}}}),
	})
	a, b := image.TopicSettings(topic), image.TopicSettings(plain)
	if a.RetentionMillis != 5 || b.RetentionMillis != 7 || a.Delete || !a.Compact || !b.Compact || a.MaxMessageBytes != 1048588 {
		t.Errorf("a %+v, b %+v", a, b)
	}
	if c, ok := image.Coordinator(kafka.TopicIDPartition{ID: plain.ID, Partition: 1}); !ok || c != 3 {
		t.Errorf("coordinator %d, %v", c, ok)
	}
	for _, p := range []int32{-1, 2} {
		if _, ok := image.Coordinator(kafka.TopicIDPartition{ID: plain.ID, Partition: p}); ok {
			t.Errorf("partition %d exists", p)
		}
	}
	image = apply(t, image, []logRecord{{4, topics.MetadataKey{Kind: topics.KeyConfig, Type: topics.ConfigBroker}.Bytes(), nil}})
	if a := image.TopicSettings(topic); !a.Delete || a.RetentionMillis != 5 {
		t.Errorf("after the defaults went: %+v", a)
	}
}

func TestApplyRefuses(t *testing.T) {
	b := Empty().Edit()
	p := put(3, &topics.ProducerIDs{Next: 9})
	if err := b.Apply(3, []byte("feature/x"), p.value); !errors.Is(err, topics.ErrCorrupt) {
		t.Errorf("a value under a foreign key: %v", err)
	}
	if err := b.Apply(3, p.key, []byte{0xff}); !errors.Is(err, topics.ErrCorrupt) {
		t.Errorf("damaged: %v", err)
	}
	if b.Build().Offset() != -1 {
		t.Error("a refused record moved the offset")
	}
	image := apply(t, Empty(), []logRecord{p, put(3, &topics.ProducerIDs{Next: 1}), put(2, &topics.ProducerIDs{Next: 2})})
	if image.NextProducerID() != 9 {
		t.Error("a record was applied again")
	}
}

func TestDescribeConfigs(t *testing.T) {
	image := apply(t, Empty(), []logRecord{
		put(0, &topics.Topic{ID: kafka.TopicID{1}, Name: "a", Coordinators: []int32{0}}),
		put(1, &topics.ConfigResource{Type: topics.ConfigTopic, Name: "a", Settings: []topics.Setting{{Name: "cleanup.policy", Value: "compact"}}}),
		put(2, &topics.ConfigResource{Type: topics.ConfigBroker, Settings: []topics.Setting{{Name: "log.cleanup.policy", Value: "delete,compact"}, {Name: "plugin.x", Value: "secret"}}}),
		put(3, &topics.ConfigResource{Type: topics.ConfigBroker, Name: "1", Settings: []topics.Setting{{Name: "ssl.keystore.password", Value: "secret"}}}),
	})
	static := func(name string) (string, bool) { return "6", name == "num.partitions" }
	describe := func(typ kmsg.ConfigResourceType, resource string, names ...string) kmsg.DescribeConfigsResponseResource {
		req := kmsg.NewPtrDescribeConfigsRequest()
		req.Version, req.IncludeSynonyms, req.IncludeDocumentation = 4, true, true
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName, r.ConfigNames = typ, resource, names
		req.Resources = append(req.Resources, r)
		return image.DescribeConfigs(req, Self{ID: 1, Static: static}).Resources[0]
	}
	text := func(r kmsg.DescribeConfigsResponseResource) (lines []string) {
		for _, c := range r.Configs {
			line := fmt.Sprintf("%s=%s %v readonly=%v", c.Name, str(c.Value), c.Source, c.ReadOnly)
			for _, s := range c.ConfigSynonyms {
				line += fmt.Sprintf(" {%v:%s=%s}", s.Source, s.Name, str(s.Value))
			}
			lines = append(lines, line)
		}
		return lines
	}
	for _, c := range []struct {
		got  kmsg.DescribeConfigsResponseResource
		want []string
	}{
		{describe(kmsg.ConfigResourceTypeTopic, "a", "cleanup.policy", "retention.ms", "retention.bytes"), []string{
			"cleanup.policy=compact DYNAMIC_TOPIC_CONFIG readonly=false {DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact} {DYNAMIC_DEFAULT_BROKER_CONFIG:log.cleanup.policy=delete,compact} {DEFAULT_CONFIG:log.cleanup.policy=delete}",
			"retention.bytes=-1 DEFAULT_CONFIG readonly=false {DEFAULT_CONFIG:log.retention.bytes=-1}",
			"retention.ms=604800000 DEFAULT_CONFIG readonly=false",
		}},
		{describe(kmsg.ConfigResourceTypeBroker, "1", "num.partitions", "ssl.keystore.password", "plugin.x"), []string{
			"num.partitions=6 STATIC_BROKER_CONFIG readonly=true {STATIC_BROKER_CONFIG:num.partitions=6} {DEFAULT_CONFIG:num.partitions=1}",
			"plugin.x=null DYNAMIC_DEFAULT_BROKER_CONFIG readonly=false {DYNAMIC_DEFAULT_BROKER_CONFIG:plugin.x=null}",
			"ssl.keystore.password=null DYNAMIC_BROKER_CONFIG readonly=false {DYNAMIC_BROKER_CONFIG:ssl.keystore.password=null}",
		}},
		{describe(kmsg.ConfigResourceTypeBroker, ""), []string{
			"log.cleanup.policy=delete,compact DYNAMIC_DEFAULT_BROKER_CONFIG readonly=false {DYNAMIC_DEFAULT_BROKER_CONFIG:log.cleanup.policy=delete,compact} {DEFAULT_CONFIG:log.cleanup.policy=delete}",
			"plugin.x=null DYNAMIC_DEFAULT_BROKER_CONFIG readonly=false {DYNAMIC_DEFAULT_BROKER_CONFIG:plugin.x=null}",
		}},
	} {
		if got := text(c.got); !slices.Equal(got, c.want) || c.got.ErrorCode != 0 {
			t.Errorf("error %d\ngot  %q\nwant %q", c.got.ErrorCode, got, c.want)
		}
	}
	for _, c := range []struct {
		got  kmsg.DescribeConfigsResponseResource
		want *kerr.Error
	}{
		{describe(kmsg.ConfigResourceTypeTopic, "gone"), kerr.UnknownTopicOrPartition},
		{describe(kmsg.ConfigResourceTypeTopic, "a/b"), kerr.InvalidTopicException},
		{describe(kmsg.ConfigResourceTypeTopic, ""), kerr.InvalidTopicException},
		{describe(kmsg.ConfigResourceTypeBroker, "2"), kerr.InvalidRequest},
		{describe(kmsg.ConfigResourceTypeBrokerLogger, "1"), kerr.InvalidRequest},
	} {
		if c.got.ErrorCode != c.want.Code || len(c.got.Configs) > 0 {
			t.Errorf("error %d with %d configs, want %v", c.got.ErrorCode, len(c.got.Configs), c.want)
		}
	}
}

func str(s *string) string {
	if s == nil {
		return "null"
	}
	return *s
}

// A record must not cost what the cluster does.
func BenchmarkApplyOneOf100kTopics(b *testing.B) {
	e := Empty().Edit()
	for n := range 100_000 {
		e.put(&topics.Topic{ID: kafka.TopicID{byte(n), byte(n >> 8), byte(n >> 16), 0, 0, 0, 0, byte(n >> 3)}, Name: fmt.Sprint("topic-", n), Coordinators: []int32{0}})
	}
	image := e.Build()
	record := put(1, &topics.Topic{ID: kafka.TopicID{255, 255, 255}, Name: "x", Coordinators: []int32{1}})
	for b.Loop() {
		next := apply(b, image, []logRecord{record})
		if next.TopicCount() != 100_001 {
			b.Fatal(next.TopicCount())
		}
	}
}

// How many coordinators there are shows by where topics are placed; an epoch is over when the image has seen its beginning and does not show it as live.
func TestWhatSweepsAskOfAnImage(t *testing.T) {
	i := Empty()
	if i.BatchCoordinators() != 0 || i.EpochOver(0) {
		t.Error("an empty image knows something")
	}
	i = apply(t, i, []logRecord{
		put(3, &topics.Topic{ID: kafka.TopicID{1}, Name: "a", Coordinators: []int32{0, 4}}),
		put(4, &topics.Topic{ID: kafka.TopicID{2}, Name: "b", Coordinators: []int32{1}}),
		put(5, &topics.Broker{ID: 1, Epoch: 5}),
		put(6, &topics.Broker{ID: 2, Epoch: 2, Fenced: true}),
	})
	if n := i.BatchCoordinators(); n != 5 {
		t.Errorf("%d coordinators", n)
	}
	for epoch, want := range map[int64]bool{1: true, 2: true, 5: false, 6: true, 7: false} {
		if got := i.EpochOver(epoch); got != want {
			t.Errorf("epoch %d is over: %v", epoch, got)
		}
	}
}
