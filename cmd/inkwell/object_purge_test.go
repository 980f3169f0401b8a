package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/objectstorage/memory"
	"github.com/inkwell-project/inkwell/rpc"
)

func TestPurgeFreesOneClusterAlone(t *testing.T) {
	bucket, ctx := memory.New(), t.Context()
	put := func(key string) {
		if err := bucket.PutIfAbsent(ctx, key, [][]byte{[]byte("12345")}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 2*purgePage + 1 {
		put(kafka.ObjectID{Epoch: 3, Sequence: int64(i)}.Key("old"))
	}
	for _, neighbour := range []string{"old-2/x", "ol/x", "older", "a/old/x"} {
		put(neighbour)
	}
	run := func(delete bool) string {
		var out bytes.Buffer
		p := purge{cluster: "old", delete: delete, bucket: bucket, out: &out}
		if err := p.run(ctx); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if got := run(false); !strings.Contains(got, "2001 objects, 10005 bytes are below old/") || !strings.Contains(got, "Nothing was deleted") {
		t.Error(got)
	}
	if got := run(true); !strings.Contains(got, "2001 objects, 10005 bytes were deleted below old/") {
		t.Error(got)
	}
	if got := run(true); !strings.Contains(got, "0 objects") {
		t.Error(got)
	}
	left, err := bucket.List(ctx, "", "", 10)
	if err != nil || len(left) != 4 {
		t.Errorf("%v are left, %v", left, err)
	}
}

func TestPurgeAsksWhetherTheClusterWasDeleted(t *testing.T) {
	admin := &clusters{}
	for _, name := range []kafka.ClusterID{"used", "gone"} {
		if _, err := admin.CreateCluster(t.Context(), &rpc.CreateClusterRequest{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := admin.DeleteCluster(t.Context(), &rpc.DeleteClusterRequest{Name: "gone"}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[kafka.ClusterID]string{"used": "is active", "gone": "", "never": "never had"} {
		err := mayPurge(t.Context(), admin, name)
		if got := fmt.Sprint(err); want == "" && err != nil || !strings.Contains(got, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPurgeRefusesWhatItIsNotSureOf(t *testing.T) {
	for want, args := range map[string]string{
		"--cluster and --store":         "--cluster a",
		"must be the name of the clust": "--cluster a --store file:/nowhere --force b",
		"no cluster's name":             "--cluster a/b --store file:/nowhere --force a/b",
		"unexpected":                    "--cluster a --store file:/nowhere now",
	} {
		err := runObjectPurge(context.Background(), strings.Fields(args))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
}
