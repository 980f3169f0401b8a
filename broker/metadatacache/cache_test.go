package metadatacache

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/goleak"

	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// topic is a __metadata that a test writes; its fields say how it behaves.
type topic struct {
	mu       sync.Mutex
	start    int64
	records  []rpc.TopicRecord
	next     int64 // high watermark
	fail     error // of every poll
	silent   bool  // polls are never answered
	page     int   // records of one answer, 0 for all
	polls    int
	appended chan struct{}
}

func newTopic() *topic { return &topic{appended: make(chan struct{})} }

func (f *topic) change(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn()
	close(f.appended)
	f.appended = make(chan struct{})
}

// producerIDs appends a record that says n, and returns its offset.
func (f *topic) producerIDs(n int64) (offset int64) {
	r := &topics.ProducerIDs{Next: n}
	f.change(func() {
		offset = f.next
		f.next++
		f.records = append(f.records, rpc.TopicRecord{Offset: offset, Key: r.Key().Bytes(), Value: topics.AppendMetadata(nil, r)})
	})
	return offset
}

func (f *topic) FollowTopic(ctx context.Context, req *rpc.FollowTopicRequest) (*rpc.FollowTopicResponse, error) {
	if req.Topic != rpc.MetadataTopic || req.MaxBytes <= 0 {
		return nil, kerr.InvalidRequest
	}
	deadline := time.After(time.Duration(req.MaxWaitMillis) * time.Millisecond)
	f.mu.Lock()
	f.polls++
	f.mu.Unlock()
	for {
		f.mu.Lock()
		resp := &rpc.FollowTopicResponse{StartOffset: f.start, HighWatermark: f.next, NextOffset: f.next}
		fail, silent, appended := f.fail, f.silent, f.appended
		for _, r := range f.records {
			if r.Offset >= req.Offset && (f.page == 0 || len(resp.Records) < f.page) {
				resp.Records = append(resp.Records, r)
				resp.NextOffset = r.Offset + 1
			}
		}
		f.mu.Unlock()
		switch {
		case silent:
			<-ctx.Done()
			return nil, context.Cause(ctx)
		case fail != nil:
			return nil, fail
		case req.Offset < resp.StartOffset || req.Offset > resp.HighWatermark:
			return resp, kerr.OffsetOutOfRange
		case len(resp.Records) > 0 || resp.NextOffset > req.Offset:
			return resp, nil
		}
		select {
		case <-appended:
		case <-deadline:
			return resp, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func follow(t *testing.T, f *topic) *Cache {
	t.Helper()
	c, err := New(Config{Cluster: "c1", Follower: f, Rand: rand.New(rand.NewPCG(1, 2)), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = c.Close(), c.Close() })
	return c
}

func shows(t *testing.T, c *Cache, offset, next int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.WaitFor(ctx, offset); err != nil {
		t.Fatalf("waiting for %d, the image is at %d: %v", offset, c.Image().Offset(), err)
	}
	if got := c.Image().NextProducerID(); got != next {
		t.Fatalf("at %d the image shows %d, want %d", c.Image().Offset(), got, next)
	}
}

func TestFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopic()
		f.page = 2
		for n := range int64(5) {
			f.producerIDs(n)
		}
		c := follow(t, f)
		shows(t, c, 4, 4)
		changed := c.Changed()
		began := time.Now()
		shows(t, c, f.producerIDs(7), 7)
		<-changed
		if took := time.Since(began); took != 0 {
			t.Errorf("a record took %v: it was not pushed", took)
		}
		// An idle cluster costs one poll per PollWait.
		f.change(func() { f.polls = 0 })
		time.Sleep(time.Minute)
		synctest.Wait()
		f.change(func() {
			if f.polls > 7 {
				t.Errorf("%d polls in an idle minute", f.polls)
			}
		})
		if age := c.metrics.age(); age > 11*time.Second {
			t.Errorf("age %v while following", age)
		}
	})
}

// The first image that is shown has all that was known to exist, however many polls it takes.
func TestFirstImageIsWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopic()
		f.page = 1
		for n := range int64(9) {
			f.producerIDs(n)
		}
		c := follow(t, f)
		changed := c.Changed()
		if c.Image().Offset() < 0 { // perhaps it is there already
			<-changed
		}
		if c.Image().Offset() != 8 {
			t.Errorf("the first image is at %d of 8", c.Image().Offset())
		}
	})
}

func TestFailuresAreRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopic()
		c := follow(t, f)
		shows(t, c, f.producerIDs(1), 1)
		f.change(func() { f.fail, f.polls = kerr.NotCoordinator, 0 })
		time.Sleep(time.Minute)
		synctest.Wait()
		f.change(func() {
			if f.polls < 25 || f.polls > 100 {
				t.Errorf("%d polls in a minute of failures", f.polls)
			}
		})
		if age := c.metrics.age(); age < 59*time.Second || c.Image().NextProducerID() != 1 {
			t.Errorf("age %v, image %d", age, c.Image().NextProducerID())
		}
		f.change(func() { f.fail = nil })
		shows(t, c, f.producerIDs(2), 2)
		// An answer that never comes ends with the poll's time.
		f.change(func() { f.silent = true })
		time.Sleep(time.Minute)
		f.change(func() { f.silent = false })
		shows(t, c, f.producerIDs(3), 3)
	})
}

// Records that the cache missed are gone: it starts anew from the log's start, and the old image stays until the new one has caught up.
func TestRebuilds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopic()
		f.page = 1
		c := follow(t, f)
		for n := range int64(3) {
			shows(t, c, f.producerIDs(n), n)
		}
		f.change(func() { f.fail = errors.New("down") })
		time.Sleep(time.Second)
		for n := range int64(4) {
			f.producerIDs(10 + n)
		}
		changed := c.Changed()
		f.change(func() { // offsets 0 to 4 are gone
			f.fail, f.start, f.records = nil, 5, f.records[5:]
		})
		<-changed
		if i := c.Image(); i.Offset() != 6 || i.NextProducerID() != 13 {
			t.Errorf("the next image is at %d and shows %d", i.Offset(), i.NextProducerID())
		}
	})
}

// The last records of a compacted topic may be gone as well: the image is as of the offset all the same.
func TestCompactedTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopic()
		c := follow(t, f)
		shows(t, c, f.producerIDs(1), 1)
		f.change(func() { f.next += 5 })
		shows(t, c, 5, 1)
	})
}

// A record of a newer release is not skipped: what came before it is shown, and nothing after.
func TestStopsAtForeignRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTopic()
		c := follow(t, f)
		f.change(func() { f.fail = errors.New("wait") })
		f.producerIDs(1)
		f.change(func() {
			f.records = append(f.records, rpc.TopicRecord{Offset: f.next, Key: []byte("producer-ids"), Value: []byte{8, 99}})
			f.next++
		})
		f.producerIDs(3)
		f.change(func() { f.fail = nil })
		time.Sleep(time.Minute)
		synctest.Wait()
		if i := c.Image(); i.Offset() > 0 || c.metrics.age() < 30*time.Second {
			t.Errorf("the image is at %d and shows %d, age %v", i.Offset(), i.NextProducerID(), c.metrics.age())
		}
	})
}

func TestConfigIsChecked(t *testing.T) {
	_, err := New(Config{PollWait: -1, MinBackoff: 3, PollBytes: -1})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"Follower", "Rand", "PollWait", "PollBytes is -1", "MinBackoff"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%v\nlacks %q", err, want)
		}
	}
}
