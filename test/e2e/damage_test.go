package e2e

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/memory"
	"github.com/inkwell-project/inkwell/objectverify"
	"github.com/inkwell-project/inkwell/rpc"
)

// An object is damaged, or gone, before it is merged. The merge says so by the object's name, is tried again, and is parked; until somebody mends the object, or gives up its records, nothing is swapped,
// skipped or deleted, and readers of everything else notice nothing.
func TestDamagedObjectIsParkedAndReported(t *testing.T) {
	for _, way := range []string{"damaged", "missing", "lost"} {
		synctest.Test(t, func(t *testing.T) {
			w := newJobsWorld(t)
			createTopic(t, &w.cluster, "plain", 2, nil)
			createTopic(t, &w.cluster, "hurt", 2, nil) // on both coordinators, as the other is
			client := w.client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
			produce := func(topic string, partition int32, value string) {
				if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Partition: partition, Value: []byte(value)}).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
			for i := range 8 {
				produce("plain", int32(i%2), fmt.Sprint(i))
			}
			before := objectKeys(t, w.bucket)
			produce("hurt", 0, "damaged")
			after := objectKeys(t, w.bucket)
			client.Close()
			key := slices.DeleteFunc(slices.Clone(after), func(k string) bool { return slices.Contains(before, k) })[0]
			whole := replaceObject(t, w.bucket, key, func(b []byte) []byte {
				if way != "damaged" {
					return nil
				}
				return bytes.Replace(b, []byte("damaged"), []byte("Damaged"), 1)
			})

			time.Sleep(40 * time.Minute)
			parked, who := parkedWork(t, w)
			if parked == nil {
				t.Fatal("nothing is parked")
			}
			if len(parked.Damaged) != 1 || parked.Damaged[0].Key(clusterName) != key || !strings.Contains(parked.Cause, parked.Damaged[0].String()) || parked.Attempts != 5 {
				t.Errorf("parked is %+v", parked)
			}
			if n := len(w.read(t, "plain")); n != 8 {
				t.Errorf("of the other topic's 8 records %d can be read", n)
			}
			if !slices.ContainsFunc(w.coordinates(t), func(c rpc.Coordinate) bool { return c.Object.Key(clusterName) == key && !c.Stamped }) {
				t.Error("what is damaged was skipped")
			}
			for _, c := range w.coordinates(t) {
				if !c.Stamped && c.Object.Key(clusterName) != key {
					t.Errorf("object %s, with nothing wrong, waits for the damaged one", c.Object)
				}
			}
			r, err := objectverify.New(objectverify.Config{Cluster: clusterName, Metadata: w.direct, Bucket: w.bucket}).Run(t.Context())
			if err != nil || r.Findings != 1 || r.First[0].Key != key {
				t.Errorf("more than %s is wrong: %v, %+v", key, err, r)
			}

			if way == "lost" {
				var end kadm.Offsets
				end.Add(kadm.Offset{Topic: "hurt", At: 1})
				if _, err := w.admin(t).DeleteRecords(t.Context(), end); err != nil {
					t.Fatal(err)
				}
			} else {
				replaceObject(t, w.bucket, key, func([]byte) []byte { return whole })
			}
			if r, err := w.direct.RetryWork(t.Context(), &rpc.RetryWorkRequest{Coordinator: who, Kind: rpc.WorkMerge}); err != nil || r.Items != 1 {
				t.Fatalf("%+v, %v", r, err)
			}
			time.Sleep(30 * time.Minute)
			if parked, _ := parkedWork(t, w); parked != nil {
				t.Errorf("mended, and parked again: %+v", parked)
			}
			if r := w.read(t, "hurt"); way != "lost" && (len(r) != 1 || string(r[0].Value) != "damaged") {
				t.Errorf("mended, and read as %+v", r)
			}
			if way == "lost" && len(w.read(t, "plain")) != 8 {
				t.Error("more was given up than the lost object had")
			}
			w.checkObjects(t)
			w.verify(t, true)
		})
	}
}

// parkedWork is the first that is, and its coordinator.
func parkedWork(t *testing.T, w *jobsWorld) (*rpc.WorkItem, int32) {
	t.Helper()
	for c := range int32(batchCoordinators) {
		d, err := w.direct.DescribeWork(t.Context(), &rpc.DescribeWorkRequest{Coordinator: c, MaxItems: 100})
		if err != nil {
			t.Fatal(err)
		}
		for i := range d.Items {
			if d.Items[i].State == rpc.WorkParked {
				return &d.Items[i], c
			}
		}
	}
	return nil, 0
}

func objectKeys(t *testing.T, b *memory.Bucket) (keys []string) {
	t.Helper()
	infos, err := b.List(context.Background(), clusterName, "", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range infos {
		keys = append(keys, i.Key)
	}
	return keys
}

// replaceObject has edit's result stored in the place of an object, nothing for nil, and returns what was there.
func replaceObject(t *testing.T, b objectstorage.Bucket, key string, edit func([]byte) []byte) (was []byte) {
	t.Helper()
	if info, err := b.Head(t.Context(), key); err == nil {
		was = make([]byte, info.Bytes)
		if err := b.GetRange(t.Context(), key, 0, was); err != nil {
			t.Fatal(err)
		}
		if err := b.DeleteMany(t.Context(), []string{key})[0]; err != nil {
			t.Fatal(err)
		}
	}
	if body := edit(bytes.Clone(was)); body != nil {
		if err := b.PutIfAbsent(t.Context(), key, [][]byte{body}); err != nil {
			t.Fatal(err)
		}
	}
	return was
}
