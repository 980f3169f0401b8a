package compat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

var clients = []struct {
	name  string
	start func(context.Context, *tooling, string) (driver, error)
}{
	{"java", startJava},
	{"librdkafka", startPython},
	{"franz-go", startFranz},
}

// scenarios run for every system and client. Those that are alone do things that the others must not see.
var scenarios = []struct {
	name  string
	run   func(*scenario)
	alone bool
}{
	{"create topics", createTopics, false},
	{"codecs, headers, nulls and sizes", produceEverything, false},
	{"acks", acks, false},
	{"auto-creation", autoCreation, false},
	{"seek by offset and timestamp", seek, false},
	{"offsets by timestamp", offsetsByTimestamp, false},
	{"append time", appendTime, false},
	{"bad times", badTimes, false},
	{"delete records", deleteRecords, false},
	{"key compaction", keyCompaction, false},
	{"offset out of range", outOfRange, false},
	{"unknown topic", unknownTopic, false},
	{"too large", tooLarge, false},
	{"delete and recreate", recreate, false},
	{"commit and resume", commitAndResume, false},
	{"rebalance eager", func(s *scenario) { rebalance(s, "range") }, false},
	{"rebalance cooperative", func(s *scenario) { rebalance(s, "cooperative-sticky") }, false},
	{"static members", staticMembers, false},
	{"idempotence under disconnects", disconnects, true},
}

func TestScenario(t *testing.T) {
	for _, sys := range systems {
		t.Run(sys.name, func(t *testing.T) {
			for _, c := range clients {
				t.Run(c.name, func(t *testing.T) {
					d, err := c.start(t.Context(), sys.tools, sys.bootstrap())
					if err != nil {
						t.Fatal(err)
					}
					defer func() {
						if err := d.close(); err != nil {
							t.Error(err)
						}
					}()
					each := func(t *testing.T, alone bool) {
						for _, sc := range scenarios {
							if sc.alone == alone {
								t.Run(sc.name, func(t *testing.T) {
									if !alone {
										t.Parallel()
									}
									ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
									defer cancel()
									prefix := strings.NewReplacer(" ", "-", ",", "").Replace(c.name + "." + sc.name)
									sc.run(&scenario{T: t, ctx: ctx, client: c.name, driver: d, sys: sys, prefix: prefix})
								})
							}
						}
					}
					t.Run("together", func(t *testing.T) { each(t, false) }) // ends when all have
					each(t, true)
				})
			}
		})
	}
}

// scenario is one run of one scenario; its topics and groups carry its prefix.
type scenario struct {
	*testing.T
	ctx    context.Context
	client string
	driver driver
	sys    *system
	prefix string
}

// try sends a request whose failure is part of the scenario.
func (s *scenario) try(r request) (answer, error) {
	s.Helper()
	a := s.driver.call(s.ctx, r)
	return a, a.err()
}

func (s *scenario) do(r request) answer {
	s.Helper()
	a, err := s.try(r)
	if err != nil {
		s.Fatalf("%s %s: %v", r.Op, r.Topic+r.Name, err)
	}
	return a
}

func (s *scenario) wantErr(r request, want error) {
	s.Helper()
	if _, err := s.try(r); !errors.Is(err, want) {
		s.Errorf("%s %s: %v, want %v", r.Op, r.Topic, err, want)
	}
}

// wantErrSoon is wantErr for what the brokers learn from the controller: Kafka answers an admin request before all of them have.
func (s *scenario) wantErrSoon(r request, want error) {
	s.Helper()
	s.until(r.Op, func() string {
		if _, err := s.try(r); !errors.Is(err, want) {
			return fmt.Sprintf("%v, want %v", err, want)
		}
		return ""
	})
}

// topic creates a topic of this scenario.
func (s *scenario) topic(name string, partitions int32, configs ...string) string {
	s.Helper()
	r := request{Op: "create_topic", Topic: s.prefix + "." + name, Parts: partitions, Configs: make(map[string]string)}
	for i := 0; i < len(configs); i += 2 {
		r.Configs[configs[i]] = configs[i+1]
	}
	s.do(r)
	s.until("creation to be seen by the broker", func() string {
		a, err := s.try(request{Op: "partitions", Topic: r.Topic})
		if err != nil || a.Partitions != int(partitions) {
			return fmt.Sprint(a.Partitions, err)
		}
		return ""
	})
	return r.Topic
}

// topicID asks the broker, past the scenario's client; it is zero when the broker knows no such topic.
func (s *scenario) topicID(topic string) kadm.TopicID {
	s.Helper()
	f, err := newFranz(s.sys.bootstrap())
	if err != nil {
		s.Fatal(err)
	}
	defer f.client.Close()
	topics, err := f.admin.ListTopics(s.ctx, topic)
	if err != nil {
		s.Fatal(err)
	}
	return topics[topic].ID
}

var plain = &producerConfig{Acks: "all", Codec: "none"}

// produce writes one record for each value; they have timestamps 1000, 2000, ... from base on when base is not 0.
func (s *scenario) produce(topic string, base int64, values ...string) []int64 {
	s.Helper()
	r := request{Op: "produce", Topic: topic, Config: plain}
	for i, v := range values {
		rec := record{Value: []byte(v)}
		if base != 0 {
			rec.Timestamp = base + int64(i)*1000
		}
		r.Records = append(r.Records, rec)
	}
	return s.do(r).Offsets
}

func (s *scenario) wantValues(r request, want ...string) {
	s.Helper()
	r.Op = "read"
	if r.Count == 0 {
		r.Count = len(want)
	}
	if got := values(s.do(r).Records); !slices.Equal(got, want) {
		s.Errorf("read of %s: %q, want %q", r.Topic, got, want)
	}
}

func values(records []record) []string {
	var v []string
	for _, r := range records {
		v = append(v, string(r.Value))
	}
	return v
}

func (s *scenario) wantOffset(topic, spec string, timestamp, want, wantTimestamp int64) {
	s.Helper()
	a := s.do(request{Op: "list_offsets", Topic: topic, Spec: spec, Timestamp: &timestamp})
	if a.Offset != want || a.Timestamp != wantTimestamp {
		s.Errorf("offset %s %d of %s: offset %d at %d, want %d at %d", spec, timestamp, topic, a.Offset, a.Timestamp, want, wantTimestamp)
	}
}

// until asks for a state again and again until it is good; what the last one lacked is the failure's message.
func (s *scenario) until(what string, good func() string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, 40*time.Second)
	defer cancel()
	for {
		missing := good()
		if missing == "" {
			return
		}
		select {
		case <-ctx.Done():
			s.Fatalf("%s: %s", what, missing)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func numbered(prefix string, n int) []string {
	v := make([]string, n)
	for i := range v {
		v[i] = fmt.Sprintf("%s%d", prefix, i)
	}
	return v
}
