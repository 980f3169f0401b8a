package configs

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func lookup(pairs ...string) Lookup {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name, good, bad string // values, separated by spaces
	}{
		{"cleanup.policy", "delete compact compact,delete delete,compact", "shred delete,,compact delete,delete , DELETE"},
		{"compression.type", "producer zstd uncompressed gzip", "none lzma"},
		{"compression.gzip.level", "-1 1 9", "0 10 x"},
		{"compression.lz4.level", "1 17", "0 18"},
		{"compression.zstd.level", "-131072 22", "23"},
		{"retention.ms", "-1 0 9223372036854775807", "-2 9223372036854775808 1.5 1e3"},
		{"retention.bytes", "-1 -5 7", "x"},
		{"max.message.bytes", "0 2147483647", "-1 2147483648"},
		{"segment.bytes", "1048576", "1048575"},
		{"min.cleanable.dirty.ratio", "0 0.5 1", "-0.1 1.1 NaN half"},
		{"message.timestamp.type", "CreateTime LogAppendTime", "createtime"},
		{"min.insync.replicas", "1 3", "0"},
		{"preallocate", "true FALSE", "yes"},
		{"remote.storage.enable", "false", "true"},
		{"leader.replication.throttled.replicas", "* 0:1,2:3", "0 a:b *,0:1"},
	} {
		d, ok := Topic(c.name)
		if !ok {
			t.Errorf("%s is not known", c.name)
			continue
		}
		for _, v := range strings.Fields(c.good) {
			if err := d.Validate(v); err != nil {
				t.Errorf("%s=%s: %v", c.name, v, err)
			}
		}
		for _, v := range append(strings.Fields(c.bad), "") {
			if v == "" && (d.Type == List || d.Type == String) {
				continue
			}
			var why *Invalid
			if err := d.Validate(v); !errors.As(err, &why) || !strings.Contains(why.Reason, c.name) {
				t.Errorf("%s=%q: %v", c.name, v, err)
			}
		}
	}
	d, _ := Topic("retention.ms")
	if err := d.Validate(strings.Repeat("9", 1<<20)); err == nil || len(err.Error()) > 400 {
		t.Error("a huge value is repeated in the message")
	}
}

// The tables must hang together: defaults pass their own checks, topics' settings name brokers' settings of the same type.
func TestTables(t *testing.T) {
	if n := len(Topics()); n != 33 {
		t.Errorf("%d settings of topics, Kafka 4.3 has 33", n)
	}
	if n := len(Brokers()); n < 300 {
		t.Errorf("%d settings of brokers", n)
	}
	for _, d := range Topics() {
		if d.Default == nil || d.Doc == "" {
			t.Errorf("%s: no default or no documentation", d.Name)
			continue
		}
		if err := d.Validate(*d.Default); err != nil {
			t.Errorf("default: %v", err)
		}
		if d.Broker == "" {
			continue
		}
		b, ok := Broker(d.Broker)
		if !ok || b.Type != d.Type {
			t.Errorf("%s: the broker's %s is unknown or of another type", d.Name, d.Broker)
		} else if b.Default != nil && *b.Default != *d.Default {
			t.Errorf("%s: default %s, that of %s is %s", d.Name, *d.Default, b.Name, *b.Default)
		}
	}
	for _, d := range Brokers() {
		if d.Default != nil {
			if err := d.Validate(*d.Default); err != nil {
				t.Errorf("default: %v", err)
			}
		}
	}
	if !slices.IsSortedFunc(Brokers(), func(a, b *Definition) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("not sorted")
	}
}

func TestResolveTopic(t *testing.T) {
	s := ResolveTopic(lookup("retention.ms", "5", "cleanup.policy", "", "max.message.bytes", "damaged"),
		lookup("log.retention.ms", "6", "log.retention.bytes", "7", "log.message.timestamp.type", "LogAppendTime"))
	want := ResolveTopic(None, None)
	want.RetentionMillis, want.RetentionBytes, want.LogAppendTime, want.Delete = 5, 7, true, false
	if s != want {
		t.Errorf("%+v, want %+v", s, want)
	}
	if d := ResolveTopic(None, None); d.MaxMessageBytes != 1048588 || d.RetentionMillis != 604800000 || d.RetentionBytes != -1 || !d.Delete || d.Compact ||
		d.TimestampAfterMaxMillis != 3600000 || d.TimestampBeforeMaxMillis != 1<<63-1 || d.MinCleanableDirtyRatio != 0.5 {
		t.Errorf("Kafka's defaults: %+v", d)
	}
}

func TestValidateBroker(t *testing.T) {
	for _, c := range []struct {
		name, value string
		everyBroker bool
		good        bool
	}{
		{"log.retention.ms", "5", true, true},
		{"log.retention.ms", "soon", true, false},
		{"num.partitions", "5", false, false}, // not dynamic
		{"ssl.keystore.password", "x", true, false},
		{"ssl.keystore.password", "x", false, true},
		{"plugin.of.somebody", "x", true, true},
	} {
		if err := ValidateBroker([]string{c.name}, lookup(c.name, c.value), c.everyBroker); (err == nil) != c.good {
			t.Errorf("%s=%s for every broker %v: %v", c.name, c.value, c.everyBroker, err)
		}
	}
}
