package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// spender is a cluster with an account.
type spender struct {
	rpc.CostReporter
	account topics.StorageAccount
}

func (s *spender) DescribeCost(context.Context, *rpc.DescribeCostRequest) (*rpc.DescribeCostResponse, error) {
	return &rpc.DescribeCostResponse{Account: s.account, Brokers: 2}, nil
}

func TestCostOfACluster(t *testing.T) {
	s := &spender{account: topics.StorageAccount{
		Uses: []topics.StorageUse{
			{Purpose: "fetch tail", Kind: "get", Requests: 10_000, Bytes: 2 << 30}, {Purpose: "flush", Kind: "put", Requests: 4000, Bytes: 4 << 30},
			{Purpose: "sweep", Kind: "delete", Requests: 3000}, {Purpose: "sweep", Kind: "list", Requests: 1000},
		},
		Topics: []topics.TopicBytes{{Name: "few", Bytes: 1 << 29}, {Name: "many", Bytes: 3 << 30}}, OtherTopics: 1 << 29,
	}}
	p := &prices{currency: "EUR", putPer1000: 5, getPer1000: 0.5, listPer1000: 7, deletePer1000: 1, writtenPerGiB: 2, readPerGiB: 3}
	var out strings.Builder
	if err := (&cost{cluster: s, prices: p, topics: 1, out: &out}).run(t.Context()); err != nil {
		t.Fatal(err)
	}
	// 10×0.5 + 2×3, 4×5 + 4×2, 3×1, 1×7
	const want = `PURPOSE     KIND    REQUESTS  GIB    EUR
fetch tail  get     10000     2.000  11.000000
flush       put     4000      4.000  28.000000
sweep       delete  3000      0.000  3.000000
sweep       list    1000      0.000  7.000000

2 brokers have reported; producers wrote 4.000 GiB.
Together 49.000000 EUR, 12.250000 for each GiB written.

TOPIC     GIB WRITTEN  SHARE OF EUR, BY BYTES WRITTEN
many      3.000        36.750000
(others)  1.000        12.250000
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
	if want := (prices{currency: "USD", putPer1000: 0.005, getPer1000: 0.0004, listPer1000: 0.005}); *p != want {
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
