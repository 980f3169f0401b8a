package topics

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/inkwell-project/inkwell/kafka"
)

// MetadataKey is a key of __metadata, taken apart.
type MetadataKey struct {
	Kind    MetadataKind
	TopicID kafka.TopicID // KeyTopic
	Type    int8          // KeyConfig: ConfigTopic, ConfigBroker or ConfigGroup
	Name    string        // KeyConfig: the resource; KeyFeature: the feature
	Broker  int32         // KeyBroker
}

// MetadataKind says what a key is about.
type MetadataKind int8

// The kinds of keys.
const (
	KeyTopic MetadataKind = iota + 1
	KeyConfig
	KeyBroker
	KeyProducerIDs
	KeyFeature
)

var configTypes = []struct {
	number int8
	word   string
}{{ConfigTopic, "topic"}, {ConfigBroker, "broker"}, {ConfigGroup, "group"}}

// Key is topic/<topic id>.
func (r *Topic) Key() MetadataKey { return MetadataKey{Kind: KeyTopic, TopicID: r.ID} }

// Key is config/<type>/<resource>.
func (r *ConfigResource) Key() MetadataKey {
	return MetadataKey{Kind: KeyConfig, Type: r.Type, Name: r.Name}
}

// Key is broker/<id>.
func (r *Broker) Key() MetadataKey { return MetadataKey{Kind: KeyBroker, Broker: r.ID} }

// Key is producer-ids.
func (*ProducerIDs) Key() MetadataKey { return MetadataKey{Kind: KeyProducerIDs} }

// Key is feature/<name>.
func (r *Feature) Key() MetadataKey { return MetadataKey{Kind: KeyFeature, Name: r.Name} }

// String is the key's readable form, as it stands in the topic.
func (k MetadataKey) String() string {
	switch k.Kind {
	case KeyTopic:
		return "topic/" + k.TopicID.String()
	case KeyConfig:
		word := strconv.Itoa(int(k.Type))
		for _, t := range configTypes {
			if t.number == k.Type {
				word = t.word
			}
		}
		return "config/" + word + "/" + k.Name
	case KeyBroker:
		return "broker/" + strconv.Itoa(int(k.Broker))
	case KeyProducerIDs:
		return "producer-ids"
	case KeyFeature:
		return "feature/" + k.Name
	}
	return ""
}

// Bytes is String as bytes.
func (k MetadataKey) Bytes() []byte { return []byte(k.String()) }

// ParseMetadataKey reads what String prints.
func ParseMetadataKey(key []byte) (MetadataKey, error) {
	word, rest, _ := strings.Cut(string(key), "/")
	var k MetadataKey
	switch word {
	case "topic":
		id, err := kafka.ParseTopicID(rest)
		if err != nil {
			return k, fmt.Errorf("__metadata key %q: %w: %w", key, err, ErrCorrupt)
		}
		k = MetadataKey{Kind: KeyTopic, TopicID: id}
	case "config":
		typ, name, _ := strings.Cut(rest, "/")
		for _, t := range configTypes {
			if t.word == typ {
				k = MetadataKey{Kind: KeyConfig, Type: t.number, Name: name}
			}
		}
	case "broker":
		id, err := strconv.ParseInt(rest, 10, 32)
		if err != nil {
			return k, fmt.Errorf("__metadata key %q: %w: %w", key, err, ErrCorrupt)
		}
		k = MetadataKey{Kind: KeyBroker, Broker: int32(id)}
	case "producer-ids":
		k = MetadataKey{Kind: KeyProducerIDs}
	case "feature":
		k = MetadataKey{Kind: KeyFeature, Name: rest}
	}
	if k.Kind == 0 || k.String() != string(key) {
		return MetadataKey{}, fmt.Errorf("__metadata key %q is of no known form: %w", key, ErrCorrupt)
	}
	return k, nil
}
