package groupcoordinator

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/metadata/groupcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog/raftlogtest"
	"github.com/inkwell-project/inkwell/rpc"
)

// The coordinator's own cost of a commit; the log costs next to nothing here.
func BenchmarkOffsetCommit(b *testing.B) {
	log := raftlogtest.New(state.Machine{})
	c := New(Config{Log: log, NewUUID: func() string { return "u" }})
	defer c.Close()
	for _, err := c.leading(); err != nil; _, err = c.leading() {
		time.Sleep(time.Millisecond)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Version, req.Group, req.Generation = 9, fmt.Sprint("g", n%100), -1
		t, p := kmsg.NewOffsetCommitRequestTopic(), kmsg.NewOffsetCommitRequestTopicPartition()
		t.Topic, p.Offset = "orders", int64(n)
		t.Partitions = append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
		if _, err := c.Handle(context.Background(), rpc.Client{}, req); err != nil {
			b.Fatal(err)
		}
	}
}
