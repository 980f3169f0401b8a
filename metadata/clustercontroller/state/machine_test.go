package state

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/metadata/raftlog/raftlogtest"
	"github.com/inkwell-project/inkwell/topics"
)

func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		log := raftlogtest.New(Machine{})
		now, shown := int64(1000), int64(0)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			now++
			result, err := log.Propose(t.Context(), Encode(now, parse(t, d)))
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			if r := result.(Result); r.Err != nil {
				fmt.Fprintln(&out, r.Err)
			}
			records, err := log.Read(shown, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			for _, rec := range records {
				shown = rec.Offset + 1
				text := "removed"
				if rec.Value != nil {
					r, err := topics.DecodeClusterMetadata(rec.Value)
					if err != nil {
						t.Fatal(err)
					}
					switch r := r.(type) {
					case *topics.Node:
						text = fmt.Sprintf("%s created=%d", r.RaftAddress, r.CreatedMillis)
					case *topics.InklessCluster:
						text = fmt.Sprintf("%v created=%d credential=%v", r.State, r.CreatedMillis, r.Credential.StoredKey != nil)
						if r.Limits != (topics.ClusterLimits{}) {
							text += fmt.Sprintf(" limits=%v key=%x", r.Limits, r.Credential.StoredKey)
						}
					case *topics.FeatureLevel:
						text = fmt.Sprint(r.Level)
					case *topics.PartitionPlacement:
						text = fmt.Sprintf("group=%d voters=%v", r.RaftGroup, r.Voters)
					}
				}
				fmt.Fprintf(&out, "%s %s\n", rec.Key, text)
			}
			return out.String()
		})
		again := raftlogtest.New(Machine{})
		for _, command := range log.Commands() {
			if _, err := again.Propose(t.Context(), command); err != nil {
				t.Fatal(err)
			}
		}
		if !reflect.DeepEqual(again.Dump(), log.Dump()) {
			t.Error("a replica differs")
		}
	})
}

func parse(t *testing.T, d *datadriven.TestData) Command {
	var name, address string
	id, batch, group := 1, 1, 1
	d.MaybeScanArgs(t, "name", &name)
	d.MaybeScanArgs(t, "address", &address)
	d.MaybeScanArgs(t, "id", &id)
	d.MaybeScanArgs(t, "batch", &batch)
	d.MaybeScanArgs(t, "group", &group)
	switch d.Cmd {
	case "node":
		return &RegisterNode{Node: topics.Node{ID: int32(id), RaftAddress: address}}
	case "create":
		return &CreateCluster{Name: kafka.ClusterID(name), UUID: "u", BatchCoordinators: int32(batch), GroupCoordinators: int32(group),
			Credential: topics.ScramCredential{StoredKey: []byte{1}}, Voters: []int32{1}}
	case "alter":
		c := &AlterCluster{Name: kafka.ClusterID(name)}
		var limit topics.LimitChange
		var value int
		d.MaybeScanArgs(t, "limit", &limit.Name)
		d.MaybeScanArgs(t, "value", &value)
		if limit.Value = int64(value); limit.Name != "" {
			c.Limits = append(c.Limits, limit)
		}
		for arg, state := range map[string]topics.ClusterState{"suspend": topics.ClusterSuspended, "resume": topics.ClusterActive, "delete": topics.ClusterDeleted} {
			if d.HasArg(arg) {
				c.State = state
			}
		}
		if d.HasArg("credential") {
			c.Credential = topics.ScramCredential{StoredKey: []byte{2}}
		}
		return c
	case "feature":
		level := 0
		d.ScanArgs(t, "level", &level)
		return &SetFeatureLevel{Level: int32(level)}
	case "delete":
		return &DeleteCluster{Name: kafka.ClusterID(name)}
	}
	t.Fatalf("%s: unknown command", d.Pos)
	return nil
}

// FuzzDecode: no input panics; what does not decode halts.
func FuzzDecode(f *testing.F) {
	f.Add(Encode(1, &RegisterNode{Node: topics.Node{ID: 4, RaftAddress: "a"}}))
	f.Add(Encode(1, &CreateCluster{Name: "c", UUID: "u", BatchCoordinators: 3, GroupCoordinators: 2, Voters: []int32{1}}))
	f.Add(Encode(1, &DeleteCluster{Name: "c"}))
	f.Add(Encode(1, &AlterCluster{Name: "c", Limits: []topics.LimitChange{{Name: "max.partitions", Value: 4}}, State: topics.ClusterSuspended, Credential: topics.ScramCredential{StoredKey: []byte{1}}}))
	f.Add(Encode(1, &SetFeatureLevel{Level: 2}))
	f.Fuzz(func(t *testing.T, b []byte) {
		ts, c, err := Decode(b)
		if err != nil {
			if !errors.Is(err, raftlog.ErrHalt) {
				t.Fatalf("%v does not halt", err)
			}
			return
		}
		if ts2, c2, err := Decode(Encode(ts, c)); err != nil || ts2 != ts || !reflect.DeepEqual(c, c2) {
			t.Fatalf("%+v, again %+v, %v", c, c2, err)
		}
	})
}
