package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// spender is a cluster with an account.
type spender struct {
	rpc.MetadataCluster
	account topics.StorageAccount
	stored  []int64 // of the partitions of one of its two coordinators; the other has none
}

func (s *spender) DescribeCluster(context.Context, *rpc.DescribeClusterRequest) (*rpc.DescribeClusterResponse, error) {
	return &rpc.DescribeClusterResponse{BatchCoordinators: 2}, nil
}

// DescribeCoordinates has pages of two partitions, the last one always without all its coordinates unless nothing is asked of them.
func (s *spender) DescribeCoordinates(_ context.Context, req *rpc.DescribeCoordinatesRequest) (*rpc.DescribeCoordinatesResponse, error) {
	resp := &rpc.DescribeCoordinatesResponse{}
	if req.Coordinator == 0 {
		return resp, nil
	}
	for p := req.From.Partition; p < int32(len(s.stored)) && p < req.From.Partition+2; p++ {
		resp.Partitions = append(resp.Partitions, rpc.PartitionCoordinates{Partition: kafka.TopicIDPartition{Partition: p}, Bytes: s.stored[p], Complete: p == req.From.Partition && req.Offset > 0})
	}
	resp.More = int(req.From.Partition)+2 < len(s.stored)
	return resp, nil
}

func (s *spender) DescribeCost(context.Context, *rpc.DescribeCostRequest) (*rpc.DescribeCostResponse, error) {
	return &rpc.DescribeCostResponse{Account: s.account, Brokers: 2}, nil
}

func TestCostOfACluster(t *testing.T) {
	s := &spender{account: topics.StorageAccount{
		Uses: []topics.StorageUse{
			{Purpose: "compact", Kind: "get", Requests: 1000}, {Purpose: "fetch history", Kind: "get", Requests: 8000},
			{Purpose: "fetch tail", Kind: "get", Requests: 10_000, Bytes: 2 << 30}, {Purpose: "flush", Kind: "put", Requests: 4000, Bytes: 4 << 30},
			{Purpose: "merge", Kind: "put", Requests: 2000},
			{Purpose: "sweep", Kind: "delete", Requests: 3000}, {Purpose: "sweep", Kind: "list", Requests: 1000},
		},
		Topics:      []topics.TopicBytes{{Name: "few", Bytes: 1 << 29}, {Name: "many", Bytes: 3 << 30, Merged: 1 << 30}, {Name: "read", Read: 3 << 30}},
		OtherTopics: topics.TopicBytes{Bytes: 1 << 29, Read: 1 << 30, Merged: 1 << 30},
	}, stored: []int64{1 << 30, 2 << 30, 0, 1 << 30, 4 << 30}}
	p := &prices{currency: "EUR", storedPerGiBMonth: 0.5, putPer1000: 5, getPer1000: 0.5, listPer1000: 7, deletePer1000: 1, writtenPerGiB: 2, readPerGiB: 3}
	var out strings.Builder
	if err := (&cost{cluster: s, prices: p, topics: 2, out: &out}).run(t.Context()); err != nil {
		t.Fatal(err)
	}
	// 1×0.5, 8×0.5, 10×0.5 + 2×3, 4×5 + 4×2, 2×5, 3×1, 1×7. Read 15 by 3 to 1, merged 10 by 1 to 1, the rest 38.5 by 0.5 to 3 to 0.5: nobody's compaction is known.
	const want = `PURPOSE        KIND    REQUESTS  GIB    EUR
compact        get     1000      0.000  0.500000
fetch history  get     8000      0.000  4.000000
fetch tail     get     10000     2.000  11.000000
flush          put     4000      4.000  28.000000
merge          put     2000      0.000  10.000000
sweep          delete  3000      0.000  3.000000
sweep          list    1000      0.000  7.000000

2 brokers have reported; producers wrote 4.000 GiB.
Stored now: 8.000 GiB, 4.000000 EUR a month.
Together, without that, 63.500000 EUR, 15.875000 for each GiB written.

TOPIC     GIB WRITTEN  READ   MERGED  COMPACTED  SHARE OF EUR
many      3.000        0.000  1.000   0.000      33.875000
read      0.000        3.000  0.000   0.000      11.250000
(others)  1.000        1.000  1.000   0.000      18.375000
`
	if out.String() != want {
		t.Errorf("printed:\n%s\nwant:\n%s", &out, want)
	}
	out.Reset()
	s.account = topics.StorageAccount{Uses: s.account.Uses}
	if err := (&cost{cluster: s, prices: p, topics: 1, out: &out}).run(t.Context()); err != nil || !strings.HasSuffix(out.String(), "nothing was written that it could be shared out to.\n") {
		t.Errorf("nothing written: %v\n%s", err, &out)
	}
}

func TestPricesOfTheReferenceFile(t *testing.T) {
	p, err := readPrices("../../docs/prices.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if want := (prices{currency: "USD", putPer1000: 0.005, getPer1000: 0.0004, listPer1000: 0.005, storedPerGiBMonth: 0.023}); *p != want {
		t.Errorf("%+v, want %+v", *p, want)
	}
}

func TestPricesThatAreWrong(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"put.per.1000: 1\nget.per.1000: 1\nput.per.100: 2\n", "put.per.100 is not a price"},
		{"put.per.1000: -1\nget.per.1000: 1\n", "put.per.1000 is -1"},
		{"put.per.1000: .nan\nget.per.1000: 1\n", "put.per.1000 is NaN"},
		{"put.per.1000: cheap\nget.per.1000: 1\n", "put.per.1000 is cheap"},
		{"put.per.1000: 1\n", "get.per.1000 is missing"},
		{"currency: 7\nput.per.1000: 1\nget.per.1000: 1\n", "currency is 7"},
		{"put.per.1000: [\n", "--prices"},
		{"", "put.per.1000 is missing"},
	} {
		path := filepath.Join(t.TempDir(), "prices.yaml")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readPrices(path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
}
