package broker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// costController keeps what it is told and answers what the test says.
type costController struct {
	rpc.CostReporter

	mu      sync.Mutex // guards both
	reports []*rpc.ReportCostRequest
	answer  error
}

func (c *costController) ReportCost(_ context.Context, req *rpc.ReportCostRequest) (*rpc.ReportCostResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reports = append(c.reports, req)
	return &rpc.ReportCostResponse{}, c.answer
}

func (c *costController) answers(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = err
}

// Reports are sums since the start under rising sequences: one whose answer was lost is told again, one without news is not, and none follows a refusal.
func TestCostReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &costController{}
		c := &costs{broker: 1, epoch: 7, spent: new(objectstorage.Account), reporter: to, clock: clock.System, log: slog.New(slog.DiscardHandler), topics: map[string]topics.TopicBytes{}}
		c.start()
		wrote := func(total int64) {
			c.mu.Lock()
			c.topics["orders"] = topics.TopicBytes{Name: "orders", Bytes: total}
			c.mu.Unlock()
		}
		want := func(count int, sequence, bytes int64) {
			t.Helper()
			time.Sleep(costInterval)
			synctest.Wait()
			to.mu.Lock()
			defer to.mu.Unlock()
			if len(to.reports) != count {
				t.Fatalf("%d reports, want %d", len(to.reports), count)
			}
			if count == 0 {
				return
			}
			if r := to.reports[count-1]; r.Broker != 1 || r.Epoch != 7 || r.Sequence != sequence || r.Account.Written() != bytes {
				t.Fatalf("the last report is %+v, want sequence %d and %d bytes", r, sequence, bytes)
			}
		}
		want(0, 0, 0) // idle
		wrote(10)
		to.answers(errors.New("the answer is lost"))
		want(1, 1, 10)
		to.answers(nil)
		want(2, 2, 10)
		want(2, 2, 10)
		wrote(15)
		want(3, 3, 15)
		wrote(20)
		to.answers(kerr.StaleBrokerEpoch)
		want(4, 4, 20)
		to.answers(nil)
		wrote(25)
		want(4, 4, 20)
		c.mu.Lock()
		c.ended = false
		c.mu.Unlock()
		c.close(t.Context())
		if len(to.reports) != 5 || to.reports[4].Account.Written() != 25 {
			t.Errorf("the end was not reported: %d reports", len(to.reports))
		}
	})
}
