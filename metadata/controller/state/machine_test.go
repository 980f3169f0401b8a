package state

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/metadata/raftlog/raftlogtest"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/topics"
)

func topicID(n int) kafka.TopicID { return kafka.TopicID{0: byte(n), 15: 1} }

// TestScenarios runs the stories of testdata: commands, their results, the records in the topic.
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		log := raftlogtest.New(Machine{})
		now, shown := int64(1000), 0
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			now++
			var out strings.Builder
			if d.Cmd == "state" {
				log.View(func(r statestore.Reader) {
					fmt.Fprintf(&out, "next=%d partitions=%d\n", NextOffset(r), PartitionCount(r))
					r.Scan(nil, nil, func(key, value []byte) bool {
						if key[0] == 'l' {
							fmt.Fprintf(&out, "coordinator %d: %d\n", key[4], value[7])
						}
						return true
					})
				})
				return out.String()
			}
			if d.Cmd == "cost" {
				log.View(func(r statestore.Reader) {
					sum, brokers := Cost(r)
					fmt.Fprintf(&out, "brokers=%d", brokers)
					for _, u := range sum.Uses {
						fmt.Fprintf(&out, " %s.%s=%d", u.Purpose, u.Kind, u.Requests)
					}
					for _, t := range sum.Topics {
						fmt.Fprintf(&out, " %s=%d", t.Name, t.Bytes)
					}
					fmt.Fprintln(&out)
				})
				return out.String()
			}
			result, err := log.Propose(t.Context(), Encode(now, parseCommand(t, d)))
			if err != nil {
				t.Fatal(err)
			}
			r := result.(Result)
			for _, e := range r.Errors {
				if e.Err != nil {
					fmt.Fprintf(&out, "%s: %s\n", e.Err.Message, e.Message)
				}
			}
			if d.Cmd == "register" && r.Errors[0].Err == nil {
				fmt.Fprintf(&out, "epoch %d\n", r.Epoch)
			}
			if d.Cmd == "producer-ids" && r.Errors[0].Err == nil {
				fmt.Fprintf(&out, "first %d\n", r.First)
			}
			_, high := log.Bounds()
			records, err := log.Read(int64(shown), 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			shown = int(high)
			for _, rec := range records {
				fmt.Fprintf(&out, "%d %s %s\n", rec.Offset, rec.Key, describe(t, rec))
			}
			if r.Offset != high-1 {
				t.Fatalf("%s: result says offset %d, the log ends at %d", d.Pos, r.Offset, high-1)
			}
			return out.String()
		})
		replay(t, log)
	})
}

// replay brings a second replica to the same bytes.
func replay(t *testing.T, log *raftlogtest.Log) {
	t.Helper()
	again := raftlogtest.New(Machine{})
	for _, command := range log.Commands() {
		if _, err := again.Propose(t.Context(), command); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(again.Dump(), log.Dump()) {
		t.Errorf("a replica differs:\n%s\n%s", strings.Join(log.Dump(), "\n"), strings.Join(again.Dump(), "\n"))
	}
}

func describe(t *testing.T, rec raftlog.Record) string {
	if rec.Value == nil {
		return "removed"
	}
	r, err := topics.DecodeMetadata(rec.Value)
	if err != nil {
		t.Fatal(err)
	}
	switch r := r.(type) {
	case *topics.Topic:
		return fmt.Sprintf("name=%s coordinators=%v created=%d", r.Name, r.Coordinators, r.CreatedMillis)
	case *topics.ConfigResource:
		return fmt.Sprint(r.Settings)
	case *topics.Broker:
		return fmt.Sprintf("epoch=%d incarnation=%d fenced=%v", r.Epoch, r.IncarnationID[0], r.Fenced)
	case *topics.ProducerIDs:
		return fmt.Sprintf("next=%d", r.Next)
	}
	return fmt.Sprintf("%+v", r)
}

func parseCommand(t *testing.T, d *datadriven.TestData) Command {
	num := func(name string, missing int) int {
		n := missing
		d.MaybeScanArgs(t, name, &n)
		return n
	}
	word := func(name string) string {
		var s string
		d.MaybeScanArgs(t, name, &s)
		return s
	}
	settings := func(name string) (all []topics.Setting) {
		for _, pair := range strings.FieldsFunc(word(name), func(r rune) bool { return r == ';' }) {
			k, v, _ := strings.Cut(pair, ":")
			all = append(all, topics.Setting{Name: k, Value: v})
		}
		return all
	}
	switch d.Cmd {
	case "create":
		return &CreateTopics{Coordinators: int32(num("coordinators", 3)), MaxPartitions: int64(num("max", 1000)), Topics: []NewTopic{
			{ID: topicID(num("id", 0)), Name: word("name"), Partitions: int32(num("partitions", 1)), Settings: settings("settings")}}}
	case "delete":
		return &DeleteTopics{IDs: []kafka.TopicID{topicID(num("id", 0))}}
	case "grow":
		return &CreatePartitions{Coordinators: int32(num("coordinators", 3)), MaxPartitions: int64(num("max", 1000)), Topics: []MorePartitions{
			{ID: topicID(num("id", 0)), Count: int32(num("count", 1))}}}
	case "set":
		c := ConfigChange{Type: topics.ConfigBroker, Name: word("broker"), Old: settings("old"), New: settings("new")}
		if name := word("topic"); name != "" {
			c.Type, c.Name, c.TopicID = topics.ConfigTopic, name, topicID(num("id", 0))
		}
		return &SetConfigs{Resources: []ConfigChange{c}}
	case "register":
		return &RegisterBroker{Broker: topics.Broker{ID: int32(num("broker", 1)), IncarnationID: [16]byte{byte(num("incarnation", 1))}}, Replaceable: int64(num("replaceable", -1))}
	case "fence":
		return &FenceBroker{Broker: int32(num("broker", 1)), Epoch: int64(num("epoch", 0))}
	case "unregister":
		return &UnregisterBroker{Broker: int32(num("broker", 1))}
	case "report-cost":
		return &ReportCost{Broker: int32(num("broker", 1)), Epoch: int64(num("epoch", 0)), Sequence: int64(num("sequence", 0)), Account: topics.StorageAccount{
			Uses: []topics.StorageUse{{Purpose: "flush", Kind: "put", Requests: int64(num("puts", 0))}}, Topics: []topics.TopicBytes{{Name: word("topic"), Bytes: int64(num("bytes", 0))}}}}
	case "producer-ids":
		return &AllocateProducerIDs{Broker: int32(num("broker", 1)), Epoch: int64(num("epoch", 0)), Length: 1000}
	}
	t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
	return nil
}

// TestLoadsAreCounted: whatever is created, grown and deleted, the counters say what the topics say.
func TestLoadsAreCounted(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		log := raftlogtest.New(Machine{})
		for n := range rapid.IntRange(1, 30).Draw(rt, "steps") {
			id := topicID(rapid.IntRange(1, 5).Draw(rt, "id"))
			count := int32(rapid.IntRange(1, 9).Draw(rt, "count"))
			coordinators := int32(rapid.IntRange(1, 4).Draw(rt, "coordinators"))
			var cmd Command
			switch rapid.IntRange(0, 3).Draw(rt, "kind") {
			case 0, 1:
				cmd = &CreateTopics{Coordinators: coordinators, MaxPartitions: 40, Topics: []NewTopic{{ID: id, Name: fmt.Sprint("t", id[0]), Partitions: count}}}
			case 2:
				cmd = &CreatePartitions{Coordinators: coordinators, MaxPartitions: 40, Topics: []MorePartitions{{id, count}}}
			case 3:
				cmd = &DeleteTopics{IDs: []kafka.TopicID{id}}
			}
			if _, err := log.Propose(t.Context(), Encode(int64(n), cmd)); err != nil {
				rt.Fatal(err)
			}
		}
		log.View(func(r statestore.Reader) {
			want, total := map[int32]uint64{}, int64(0)
			r.Scan([]byte("t"), []byte("u"), func(key, value []byte) bool {
				for _, c := range decode[*topics.Topic](key, value).Coordinators {
					want[c]++
					total++
				}
				return true
			})
			for c := range int32(4) {
				if got := number(r, loadKey(c)); got != want[c] {
					rt.Fatalf("coordinator %d: counted %d, owns %d", c, got, want[c])
				}
			}
			if PartitionCount(r) != total || total > 40 {
				rt.Fatalf("counted %d partitions of %d, the limit is 40", PartitionCount(r), total)
			}
		})
	})
}

func TestUnknownCommandsHalt(t *testing.T) {
	newer := Encode(1, &UnregisterBroker{Broker: 1})
	newer[1] = commandVersion + 1
	unknown := Encode(1, &UnregisterBroker{Broker: 1})
	unknown[3] = 99
	for _, b := range [][]byte{nil, {0xff}, newer, unknown} {
		if _, _, err := (Machine{}).Apply(nil, 1, b); !errors.Is(err, raftlog.ErrHalt) {
			t.Errorf("%x: %v, want ErrHalt", b, err)
		}
	}
}

// FuzzDecode: no input panics, and a command that decodes encodes to one that is the same.
func FuzzDecode(f *testing.F) {
	for _, c := range []Command{
		&CreateTopics{Coordinators: 3, MaxPartitions: 9, Topics: []NewTopic{{ID: topicID(1), Name: "a", Partitions: 4, Settings: []topics.Setting{{Name: "x", Value: "y"}}}}},
		&DeleteTopics{IDs: []kafka.TopicID{topicID(2)}},
		&CreatePartitions{Coordinators: 1, MaxPartitions: 2, Topics: []MorePartitions{{topicID(3), 8}}},
		&SetConfigs{Resources: []ConfigChange{{Type: 2, Name: "a", TopicID: topicID(1), Old: []topics.Setting{{Name: "x"}}, New: []topics.Setting{{Name: "y", Value: "z"}}}}},
		&RegisterBroker{Broker: topics.Broker{ID: 1, Listeners: []topics.BrokerListener{{Name: "n", Port: 9}}}, Replaceable: -1},
		&FenceBroker{Broker: 1, Epoch: 2}, &UnregisterBroker{Broker: 3}, &AllocateProducerIDs{Broker: 1, Epoch: 2, Length: 3},
		&ReportCost{Broker: 1, Epoch: 2, Sequence: 3, Account: topics.StorageAccount{Uses: []topics.StorageUse{{Purpose: "flush", Kind: "put", Requests: 4, Bytes: 5}},
			Topics: []topics.TopicBytes{{Name: "a", Bytes: 6, Read: 8, Merged: 9, Compacted: 10}}, OtherTopics: topics.TopicBytes{Bytes: 7, Read: 11}}},
	} {
		f.Add(Encode(77, c))
		if ts, got, err := Decode(Encode(77, c)); err != nil || ts != 77 || !reflect.DeepEqual(got, c) {
			f.Errorf("%+v became %+v, %v", c, got, err)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ts, c, err := Decode(b)
		if err != nil {
			return
		}
		if again, c2, err := Decode(Encode(ts, c)); err != nil || (again != ts || !reflect.DeepEqual(c, c2)) {
			t.Fatalf("%+v, again %+v, %v", c, c2, err)
		}
	})
}
