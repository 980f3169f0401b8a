package state_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/groupcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/metadata/raftlog/raftlogtest"
	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// The scenarios are commands; the output is the result and the records of the topic as Kafka's formatter would decode them.
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		log := raftlogtest.New(state.Machine{})
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "state" {
				return dump(log)
			}
			_, from := log.Bounds()
			got, err := log.Propose(context.Background(), state.Encode(parse(t, d)))
			if err != nil {
				return err.Error() + "\n"
			}
			var out strings.Builder
			result := got.(state.Result)
			if result.Err != nil {
				fmt.Fprintf(&out, "%s\n", result.Err.Message)
			} else if d.Cmd == "delete-group" || d.Cmd == "delete-offsets" {
				fmt.Fprintf(&out, "deleted %d\n", result.Deleted)
			}
			records, err := log.Read(from, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range records {
				fmt.Fprintf(&out, "%s\n", describe(t, r))
			}
			return out.String()
		})
	})
}

func arg[T any](d *datadriven.TestData, t *testing.T, name string, or T) T {
	d.MaybeScanArgs(t, name, &or)
	return or
}

func parse(t *testing.T, d *datadriven.TestData) state.Command {
	group, now := arg(d, t, "group", ""), arg(d, t, "at", int64(0))
	switch d.Cmd {
	case "commit":
		c := &state.CommitOffsets{Group: group, TimestampMillis: now, Generation: int32(arg(d, t, "generation", -1))}
		for line := range strings.Lines(d.Input) {
			o := state.Offset{LeaderEpoch: -1, ExpireTimestampMillis: arg(d, t, "expire", int64(-1))}
			if _, err := fmt.Sscanf(line, "%s %d %d", &o.Topic, &o.Partition, &o.Offset); err != nil {
				d.Fatalf(t, "%q: %v", line, err)
			}
			if d.HasArg("id") {
				o.TopicID = kafka.TopicID{15: byte(arg(d, t, "id", 0))}
			}
			o.Metadata = arg(d, t, "metadata", "")
			c.Offsets = append(c.Offsets, o)
		}
		return c
	case "save":
		v := kmsg.NewGroupMetadataValue()
		v.ProtocolType, v.CurrentStateTimestamp = "consumer", now
		v.Generation = int32(arg(d, t, "generation", 0))
		for _, id := range strings.Fields(d.Input) {
			v.Protocol, v.Leader = kmsg.StringPtr("range"), &strings.Fields(d.Input)[0]
			m := kmsg.NewGroupMetadataValueMember()
			m.MemberID, m.ClientID, m.ClientHost, m.Subscription, m.Assignment = id, "c", "/h", []byte("s"), []byte("a-"+id)
			m.SessionTimeoutMillis, m.RebalanceTimeoutMillis = 10000, 60000
			v.Members = append(v.Members, m)
		}
		return &state.SaveGroup{Group: group, TimestampMillis: now, Value: v}
	case "delete-group":
		return &state.DeleteGroup{Group: group, TimestampMillis: now, OnlyIfUnused: d.HasArg("unused")}
	case "delete-offsets":
		c := &state.DeleteOffsets{TimestampMillis: now}
		for line := range strings.Lines(d.Input) {
			k := state.OffsetKey{Group: group}
			if _, err := fmt.Sscanf(line, "%s %d %d", &k.Topic, &k.Partition, &k.CommittedAtMillis); err != nil {
				d.Fatalf(t, "%q: %v", line, err)
			}
			c.Offsets = append(c.Offsets, k)
		}
		return c
	}
	d.Fatalf(t, "unknown command %q", d.Cmd)
	return nil
}

// describe decodes a record by the version in front of its key, as Kafka's OffsetsMessageFormatter does.
func describe(t *testing.T, r raftlog.Record) string {
	t.Helper()
	what := func(kind string, v any) string {
		if r.Value == nil {
			return fmt.Sprintf("at=%d %s: tombstone", r.TimestampMillis, kind)
		}
		return fmt.Sprintf("at=%d %s: %s", r.TimestampMillis, kind, v)
	}
	switch version := int16(r.Key[0])<<8 | int16(r.Key[1]); version {
	case 1:
		k, v := kmsg.NewOffsetCommitKey(), kmsg.NewOffsetCommitValue()
		if err := k.ReadFrom(r.Key); err != nil {
			t.Fatal(err)
		}
		if r.Value != nil {
			if err := v.ReadFrom(r.Value); err != nil {
				t.Fatal(err)
			}
		}
		return what(fmt.Sprintf("offset [%s,%s,%d]", k.Group, k.Topic, k.Partition), fmt.Sprintf("v%d offset=%d epoch=%d metadata=%q commit=%d expire=%d id=%d",
			v.Version, v.Offset, v.LeaderEpoch, v.Metadata, v.CommitTimestamp, v.ExpireTimestamp, v.TopicID[15]))
	case 2:
		k, v := kmsg.NewGroupMetadataKey(), kmsg.NewGroupMetadataValue()
		if err := k.ReadFrom(r.Key); err != nil {
			t.Fatal(err)
		}
		if r.Value != nil {
			if err := v.ReadFrom(r.Value); err != nil {
				t.Fatal(err)
			}
		}
		members := ""
		for _, m := range v.Members {
			members += fmt.Sprintf(" %s=%s", m.MemberID, m.Assignment)
		}
		return what(fmt.Sprintf("group [%s]", k.Group), fmt.Sprintf("v%d generation=%d%s", v.Version, v.Generation, members))
	default:
		t.Fatalf("key version %d", version)
		return ""
	}
}

func dump(log *raftlogtest.Log) string {
	var out strings.Builder
	log.View(func(r statestore.Reader) {
		state.ScanGroups(r, func(group string, v *kmsg.GroupMetadataValue) {
			fmt.Fprintf(&out, "group %s: generation=%d members=%d\n", group, v.Generation, len(v.Members))
		})
		state.ScanGroupsWithOffsets(r, func(group string) {
			fmt.Fprintf(&out, "offsets of %s:", group)
			state.ScanOffsets(r, group, func(o state.StoredOffset) bool {
				fmt.Fprintf(&out, " %s-%d=%d", o.Topic, o.Partition, o.Value.Offset)
				return true
			})
			out.WriteByte('\n')
		})
	})
	return out.String()
}

// A map is the dumb twin: whatever the names hold, each offset is found by its own key and by no other, in order, and replicas agree.
func TestOffsetsAgainstMap(t *testing.T) {
	name := rapid.StringOfN(rapid.SampledFrom([]rune{0, 1, 'a', 'b', 255, 0x10FFFF}), 0, 3, -1)
	rapid.Check(t, func(t *rapid.T) {
		log := raftlogtest.New(state.Machine{})
		want := map[string]map[string]int64{}
		propose := func(c state.Command) {
			if _, err := log.Propose(context.Background(), state.Encode(c)); err != nil {
				t.Fatal(err)
			}
		}
		for i := range rapid.IntRange(1, 30).Draw(t, "steps") {
			group, topic, partition := name.Draw(t, "group"), name.Draw(t, "topic"), rapid.Int32Range(0, 2).Draw(t, "partition")
			key := fmt.Sprintf("%q-%d", topic, partition)
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0, 1:
				propose(&state.CommitOffsets{Group: group, Generation: -1, Offsets: []state.Offset{{Topic: topic, Partition: partition, Offset: int64(i), ExpireTimestampMillis: -1}}})
				if want[group] == nil {
					want[group] = map[string]int64{}
				}
				want[group][key] = int64(i)
			case 2:
				propose(&state.DeleteOffsets{Offsets: []state.OffsetKey{{Group: group, Topic: topic, Partition: partition, CommittedAtMillis: -1}}})
				if delete(want[group], key); len(want[group]) == 0 {
					delete(want, group)
				}
			case 3:
				propose(&state.DeleteGroup{Group: group})
				delete(want, group)
			}
		}
		got := map[string]map[string]int64{}
		var groups []string
		log.View(func(r statestore.Reader) {
			state.ScanGroupsWithOffsets(r, func(group string) {
				groups = append(groups, group)
				got[group] = map[string]int64{}
				state.ScanOffsets(r, group, func(o state.StoredOffset) bool {
					got[group][fmt.Sprintf("%q-%d", o.Topic, o.Partition)] = o.Value.Offset
					return true
				})
			})
		})
		if diff := cmp.Diff(want, got); diff != "" || !slices.IsSorted(groups) {
			t.Fatalf("groups %q, diff %s", groups, diff)
		}
		replica := raftlogtest.New(state.Machine{})
		for _, c := range log.Commands() {
			if _, err := replica.Propose(context.Background(), c); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(log.Dump(), replica.Dump()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzDecode(f *testing.F) {
	v := kmsg.NewGroupMetadataValue()
	for _, c := range []state.Command{
		&state.CommitOffsets{Group: "g", Generation: 3, Offsets: []state.Offset{{Topic: "t", TopicID: kafka.TopicID{1}, Offset: 7, Metadata: "m"}}},
		&state.SaveGroup{Group: "g", TimestampMillis: 5, Value: v},
		&state.DeleteGroup{Group: "g", OnlyIfUnused: true},
		&state.DeleteOffsets{Offsets: []state.OffsetKey{{Group: "g", Topic: "t", Partition: 1, CommittedAtMillis: -1}}},
	} {
		f.Add(state.Encode(c))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := state.Decode(b)
		if err != nil {
			return
		}
		again, err := state.Decode(state.Encode(c))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(state.Encode(c), state.Encode(again)); diff != "" {
			t.Fatal(diff)
		}
	})
}
