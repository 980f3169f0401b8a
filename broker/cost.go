package broker

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/broker/batchprocessor"
	"github.com/inkwell-project/inkwell/clusterimage"
	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

const (
	costInterval = time.Minute
	costTimeout  = 20 * time.Second
)

// costs reports what this process asked of object storage to the cluster's controller, each minute in which it asked anything, and when it ends. Reports
// are cumulative, so that one that is lost or comes twice changes nothing. A process that is killed takes the last minute's with it.
type costs struct {
	broker   int32
	epoch    int64 // the process's first, which names its account
	spent    *objectstorage.Account
	reporter rpc.CostReporter
	image    func() *clusterimage.Image
	clock    clock.Clock
	log      *slog.Logger

	cancel context.CancelFunc
	loop   sync.WaitGroup

	sequence int64                 // of the last report; the loop's, and close's after it
	reported topics.StorageAccount // what the controller is known to have
	ended    bool                  // another process has this broker id

	mu     sync.Mutex // guards topics and others
	topics map[string]topics.TopicBytes
	others topics.TopicBytes
}

func (c *costs) start() {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	c.loop.Go(func() {
		for clock.Sleep(ctx, c.clock, costInterval) == nil {
			attempt, stop := context.WithTimeout(ctx, costTimeout)
			c.report(attempt)
			stop()
		}
	})
}

// close reports a last time, while ctx lasts.
func (c *costs) close(ctx context.Context) {
	c.cancel()
	c.loop.Wait()
	if ctx.Err() == nil {
		ctx, stop := context.WithTimeout(ctx, 2*time.Second)
		defer stop()
		c.report(ctx)
	}
}

func (c *costs) report(ctx context.Context) {
	account := c.account()
	if c.ended || equalAccounts(&account, &c.reported) {
		return
	}
	c.sequence++
	_, err := c.reporter.ReportCost(ctx, &rpc.ReportCostRequest{Broker: c.broker, Epoch: c.epoch, Sequence: c.sequence, Account: account})
	switch {
	case err == nil:
		c.reported = account
	case errors.Is(err, kerr.StaleBrokerEpoch):
		c.ended = true
		c.log.Warn("the storage account of this process is closed", "broker", c.broker, "epoch", c.epoch, "error", err)
	default:
		c.log.Info("the storage account was not reported; the next report has it, too", "broker", c.broker, "error", err)
	}
}

func (c *costs) account() (a topics.StorageAccount) {
	for _, u := range c.spent.Usage() {
		a.Uses = append(a.Uses, topics.StorageUse(u))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(c.topics)) {
		a.Topics = append(a.Topics, c.topics[name])
	}
	a.OtherTopics = c.others
	return a
}

func equalAccounts(a, b *topics.StorageAccount) bool {
	return a.OtherTopics == b.OtherTopics && slices.Equal(a.Uses, b.Uses) && slices.Equal(a.Topics, b.Topics)
}

// wrote counts what producers wrote to each topic.
func (c *costs) wrote(o *batchprocessor.CommittedObject) {
	for i := range o.Segments {
		s := &o.Segments[i]
		bytes := int64(0)
		for j := range s.Runs {
			bytes += int64(s.Runs[j].Coordinate.Bytes)
		}
		c.add(s.Partition.ID, topics.TopicBytes{Bytes: bytes})
	}
}

// read counts what fetches got from the store for a topic.
func (c *costs) read(topic kafka.TopicID, bytes int64) { c.add(topic, topics.TopicBytes{Read: bytes}) }

// tookOn counts what jobs took on of a topic.
func (c *costs) tookOn(kind rpc.WorkKind, topic kafka.TopicID, bytes int64) {
	switch kind {
	case rpc.WorkMerge:
		c.add(topic, topics.TopicBytes{Merged: bytes})
	case rpc.WorkCompactKeys:
		c.add(topic, topics.TopicBytes{Compacted: bytes})
	}
}

func (c *costs) add(id kafka.TopicID, more topics.TopicBytes) {
	topic, found := c.image().TopicByID(id)
	c.mu.Lock()
	defer c.mu.Unlock()
	if found {
		sum, has := c.topics[topic.Name]
		if has || len(c.topics) < topics.MaxAccountTopics {
			sum.Name = topic.Name
			sum.Add(more)
			c.topics[topic.Name] = sum
			return
		}
	}
	c.others.Add(more) // of a topic that is deleted by now, too
}

// costSink counts what is committed on its way to the cache.
type costSink struct {
	costs *costs
	next  batchprocessor.CommittedSink
}

// ObjectCommitted implements batchprocessor.CommittedSink.
func (s costSink) ObjectCommitted(o *batchprocessor.CommittedObject) {
	s.costs.wrote(o)
	s.next.ObjectCommitted(o)
}
