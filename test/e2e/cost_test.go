package e2e

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/inkwell-project/inkwell/broker"
	"github.com/inkwell-project/inkwell/metadata"
	"github.com/inkwell-project/inkwell/metadata/clustercontroller"
	"github.com/inkwell-project/inkwell/objectstorage/memory"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// What topics cause is in the cluster's account under their names: writes, reads that came from the store, and what jobs took on.
func TestAccountsByTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, newPipes(), func(b *broker.Config, _ *metadata.Config) {
			b.Cache.CacheBytes, b.Cache.TailBytes = 2<<20, 512<<10
		})
		createTopic(t, c, "read", 1, nil)
		createTopic(t, c, "written", 1, nil)
		client := c.client(t, kgo.ProducerBatchCompression(kgo.NoCompression()))
		value := bytes.Repeat([]byte("v"), 20_000)
		for range 200 { // objects of their own: enough of them are merged
			for _, topic := range []string{"read", "written"} {
				if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: value}).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if n := len(readFromStart(t, c, "read", 200)); n != 200 {
			t.Fatalf("read %d records", n)
		}
		time.Sleep(2 * time.Hour)
		direct, err := c.node.Cluster(clusterName)
		if err != nil {
			t.Fatal(err)
		}
		cost, err := direct.DescribeCost(t.Context(), &rpc.DescribeCostRequest{})
		if err != nil {
			t.Fatal(err)
		}
		by := map[string]topics.TopicBytes{}
		for _, topic := range cost.Account.Topics {
			by[topic.Name] = topic
		}
		read, written := by["read"], by["written"]
		for _, topic := range []topics.TopicBytes{read, written} {
			if topic.Bytes < 4_000_000 || topic.Bytes > 4_100_000 || topic.Merged < topic.Bytes/2 || topic.Compacted != 0 {
				t.Errorf("wrote 4 MB, and all is merged: %+v", topic)
			}
		}
		if read.Read < 3_000_000 || written.Read != 0 {
			t.Errorf("of one topic 4 MB were read that were not in memory, of the other none: %+v, %+v", read, written)
		}
		if cost.Account.OtherTopics != (topics.TopicBytes{}) {
			t.Errorf("nobody's: %+v", cost.Account.OtherTopics)
		}
	})
}

// Nodes of an older release know no accounts: what brokers report waits until the level that has them is in force, and is all there then.
func TestAccountsWaitForTheFeatureLevel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &jobsWorld{seed: newSeed(), logger: slog.New(slog.DiscardHandler), bucket: memory.New()}
		fs := vfs.NewMem()
		for _, level := range []int32{topics.FeatureLevel1, topics.FeatureLevel2} {
			var err error
			if w.node, err = metadata.Open(t.Context(), metadata.Config{ID: 1, FS: fs, Dir: "metadata", NewRand: w.seed.rand, NewUUID: w.seed.uuid, Logger: w.logger, MaxFeatureLevel: level}); err != nil {
				t.Fatal(err)
			}
			if err := w.node.EnsureCluster(t.Context(), clustercontroller.Spec{Name: clusterName, BatchCoordinators: batchCoordinators, GroupCoordinators: 1}); err != nil {
				t.Fatal(err)
			}
			if w.direct, err = w.node.Cluster(clusterName); err != nil {
				t.Fatal(err)
			}
			w.start(t)
			client := w.client(t)
			if level == topics.FeatureLevel1 {
				if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 1, 1, nil, "orders"); err != nil {
					t.Fatal(err)
				}
			}
			if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Value: []byte("v")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			client.Close()
			time.Sleep(3 * time.Minute)
			report := &rpc.ReportCostRequest{Broker: 2, Epoch: 0, Sequence: 1}
			_, refused := w.direct.ReportCost(t.Context(), report)
			cost, err := w.direct.DescribeCost(t.Context(), &rpc.DescribeCostRequest{})
			switch {
			case err != nil:
				t.Fatal(err)
			case level == topics.FeatureLevel1 && (!errors.Is(refused, kerr.UnsupportedVersion) || cost.Brokers != 0):
				t.Errorf("at level 1: %v, %+v", refused, cost)
			case level == topics.FeatureLevel2 && (refused != nil || cost.Brokers != 2 || cost.Account.Written() == 0):
				t.Errorf("at level 2: %v, %+v", refused, cost)
			}
			closeOrFail(t, w.broker.Close)
			closeOrFail(t, w.node.Close)
		}
	})
}
