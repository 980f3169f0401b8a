package configs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// TopicSettings are the settings of a topic that Inkwell acts on, defaults included.
type TopicSettings struct {
	MaxMessageBytes          int32
	LogAppendTime            bool  // message.timestamp.type
	TimestampBeforeMaxMillis int64 // message.timestamp.before.max.ms
	TimestampAfterMaxMillis  int64 // message.timestamp.after.max.ms
	RetentionMillis          int64 // -1: no limit
	RetentionBytes           int64 // -1: no limit
	Delete, Compact          bool  // cleanup.policy
	DeleteRetentionMillis    int64
	MinCompactionLagMillis   int64
	MaxCompactionLagMillis   int64
	MinCleanableDirtyRatio   float64
}

// Effective is a topic setting's value: the topic's own, else the cluster-wide value of its broker setting, else Kafka's default.
func Effective(d *Definition, topic, clusterDefault Lookup) string {
	if v, ok := topic(d.Name); ok {
		return v
	}
	if d.Broker != "" {
		if v, ok := clusterDefault(d.Broker); ok {
			return v
		}
	}
	return *d.Default // every topic setting has one
}

// ResolveTopic computes what is in force for a topic. Values that do not parse count as not set: none was accepted.
func ResolveTopic(topic, clusterDefault Lookup) TopicSettings {
	get := func(name string) string {
		d := topicSettings.byName[name]
		v := strings.TrimSpace(Effective(d, topic, clusterDefault))
		if _, reason := parse(d.Type, v); reason != "" {
			return *d.Default
		}
		return v
	}
	number := func(name string) int64 {
		n, _ := strconv.ParseInt(get(name), 10, 64) // parsed before
		return n
	}
	policy := Split(get("cleanup.policy"))
	ratio, _ := strconv.ParseFloat(get("min.cleanable.dirty.ratio"), 64) // parsed before
	return TopicSettings{
		MaxMessageBytes:          int32(number("max.message.bytes")),
		LogAppendTime:            get("message.timestamp.type") == "LogAppendTime",
		TimestampBeforeMaxMillis: number("message.timestamp.before.max.ms"),
		TimestampAfterMaxMillis:  number("message.timestamp.after.max.ms"),
		RetentionMillis:          number("retention.ms"),
		RetentionBytes:           number("retention.bytes"),
		Delete:                   slices.Contains(policy, "delete"),
		Compact:                  slices.Contains(policy, "compact"),
		DeleteRetentionMillis:    number("delete.retention.ms"),
		MinCompactionLagMillis:   number("min.compaction.lag.ms"),
		MaxCompactionLagMillis:   number("max.compaction.lag.ms"),
		MinCleanableDirtyRatio:   ratio,
	}
}

// ValidateTopic checks all settings that a topic would have, each alone and together with the defaults. names are the settings that are set.
func ValidateTopic(names []string, topic, clusterDefault Lookup) error {
	for _, name := range names {
		d, ok := Topic(name)
		if !ok {
			return &Invalid{"Unknown topic config name: " + name}
		}
		v, _ := topic(name)
		if err := d.Validate(v); err != nil {
			return err
		}
	}
	s := ResolveTopic(topic, clusterDefault)
	if s.MinCompactionLagMillis > s.MaxCompactionLagMillis {
		return &Invalid{fmt.Sprintf("conflict topic config setting min.compaction.lag.ms (%d) > max.compaction.lag.ms (%d)",
			s.MinCompactionLagMillis, s.MaxCompactionLagMillis)}
	}
	return nil
}

// ValidateBroker checks settings that a broker (or, with everyBroker, all of them) would get dynamically. A name that Kafka does not know is accepted, as Kafka does:
// it may belong to a plug-in.
func ValidateBroker(names []string, get Lookup, everyBroker bool) error {
	for _, name := range names {
		d, ok := Broker(name)
		if !ok {
			continue
		}
		if !d.Dynamic {
			return &Invalid{"Cannot update these configs dynamically: " + name + ". Set it in the broker's own configuration and restart the broker"}
		}
		if everyBroker && (d.Sensitive || perBroker(name)) {
			return &Invalid{"Cannot update these configs at default cluster level: " + name}
		}
		v, _ := get(name)
		if err := d.Validate(v); err != nil {
			return err
		}
	}
	return nil
}

// perBroker says that a setting makes sense for one broker only.
func perBroker(name string) bool {
	for _, prefix := range []string{"ssl.", "sasl.", "listener", "advertised.listeners", "principal.builder.class"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
