package configs

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Entry is one setting as DescribeConfigs shows it.
type Entry struct {
	Name      string
	Value     *string // nil when sensitive or not set at all
	Source    kmsg.ConfigSource
	Type      Type
	ReadOnly  bool
	Sensitive bool
	Doc       string
	// Synonyms are the places that give the value, in the order in which they are asked.
	Synonyms []Synonym
}

// Synonym is one place that sets a value.
type Synonym struct {
	Name   string
	Value  *string
	Source kmsg.ConfigSource
}

// DescribeTopic shows all settings of a topic, by name.
func DescribeTopic(topic, clusterDefault Lookup) []Entry {
	entries := make([]Entry, 0, len(topicSettings.sorted))
	for _, d := range topicSettings.sorted {
		var synonyms []Synonym
		if v, ok := topic(d.Name); ok {
			synonyms = append(synonyms, Synonym{d.Name, &v, kmsg.ConfigSourceDynamicTopicConfig})
		}
		if d.Broker != "" {
			synonyms = append(synonyms, brokerSynonyms(d.Broker, None, clusterDefault, None)...)
		}
		v := Effective(d, topic, clusterDefault)
		entries = append(entries, entry(d, &v, synonyms, false))
	}
	return entries
}

// DescribeBroker shows all settings of one broker, by name: what it was given dynamically (alone, or as all brokers), what its
// operator configured, and the defaults. others are dynamic settings that Kafka does not know; their values are not shown.
func DescribeBroker(broker, clusterDefault, static Lookup, others []string) []Entry {
	entries := make([]Entry, 0, len(brokerSettings.sorted)+len(others))
	for _, d := range brokerSettings.sorted {
		synonyms := brokerSynonyms(d.Name, broker, clusterDefault, static)
		var v *string
		if len(synonyms) > 0 {
			v = synonyms[0].Value
		}
		entries = append(entries, entry(d, v, synonyms, !d.Dynamic))
	}
	for _, name := range others {
		source := kmsg.ConfigSourceDynamicDefaultBrokerConfig
		if _, ok := broker(name); ok {
			source = kmsg.ConfigSourceDynamicBrokerConfig
		}
		entries = append(entries, Entry{Name: name, Source: source, Sensitive: true, Synonyms: []Synonym{{Name: name, Source: source}}})
	}
	slices.SortStableFunc(entries, func(a, b Entry) int {
		switch {
		case a.Name < b.Name:
			return -1
		case a.Name > b.Name:
			return 1
		}
		return 0
	})
	return entries
}

// brokerSynonyms are the places that set a broker's setting.
func brokerSynonyms(name string, broker, clusterDefault, static Lookup) []Synonym {
	var synonyms []Synonym
	for _, place := range []struct {
		get    Lookup
		source kmsg.ConfigSource
	}{
		{broker, kmsg.ConfigSourceDynamicBrokerConfig},
		{clusterDefault, kmsg.ConfigSourceDynamicDefaultBrokerConfig},
		{static, kmsg.ConfigSourceStaticBrokerConfig},
	} {
		if v, ok := place.get(name); ok {
			synonyms = append(synonyms, Synonym{name, &v, place.source})
		}
	}
	if d, ok := Broker(name); ok && d.Default != nil {
		synonyms = append(synonyms, Synonym{name, d.Default, kmsg.ConfigSourceDefaultConfig})
	}
	return synonyms
}

func entry(d *Definition, v *string, synonyms []Synonym, readOnly bool) Entry {
	e := Entry{Name: d.Name, Value: v, Type: d.Type, ReadOnly: readOnly, Sensitive: d.Sensitive, Doc: d.Doc, Synonyms: synonyms, Source: kmsg.ConfigSourceDefaultConfig}
	if len(synonyms) > 0 {
		e.Source = synonyms[0].Source
	}
	if d.Sensitive {
		e.Value = nil
		for i := range synonyms {
			synonyms[i].Value = nil
		}
	}
	return e
}
