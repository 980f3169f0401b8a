package compaction

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/rpc"
)

// coordinators leases the objects of partition 0 again and again until they are completed, as the real one does after a deadline.
type coordinators struct {
	mu        sync.Mutex
	objects   []rpc.ReleasedObject
	released  map[int32]map[kafka.ObjectID]bool
	completed [][]kafka.ObjectID
	causes    []string
	failCalls int
}

func (c *coordinators) RequestWork(ctx context.Context, req *rpc.RequestWorkRequest) (*rpc.RequestWorkResponse, error) {
	c.mu.Lock()
	if c.failCalls > 0 {
		c.failCalls--
		c.mu.Unlock()
		return nil, kerr.NotCoordinator
	}
	var page []rpc.ReleasedObject
	if req.Coordinator == 0 && req.Kinds[0] == rpc.WorkDelete {
		page = append(page, c.objects...)
	}
	c.mu.Unlock()
	if len(page) == 0 {
		return &rpc.RequestWorkResponse{}, clock.Sleep(ctx, clock.System, time.Duration(req.WaitMillis)*time.Millisecond)
	}
	return &rpc.RequestWorkResponse{Lease: 7, Kind: rpc.WorkDelete, DeadlineMillis: time.Now().Add(time.Minute).UnixMilli(), Objects: page}, nil
}

func (c *coordinators) RenewWork(context.Context, *rpc.RenewWorkRequest) (*rpc.RenewWorkResponse, error) {
	return &rpc.RenewWorkResponse{}, nil
}

func (c *coordinators) FailWork(context.Context, *rpc.FailWorkRequest) (*rpc.FailWorkResponse, error) {
	return &rpc.FailWorkResponse{}, nil
}

func (c *coordinators) CheckReleased(_ context.Context, req *rpc.CheckReleasedRequest) (*rpc.CheckReleasedResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	resp := &rpc.CheckReleasedResponse{}
	for _, o := range req.Objects {
		resp.Released = append(resp.Released, c.released[req.Coordinator][o])
	}
	return resp, nil
}

func (c *coordinators) CompleteWork(_ context.Context, req *rpc.CompleteWorkRequest) (*rpc.CompleteWorkResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.completed = append(c.completed, req.Deleted)
	c.causes = append(c.causes, req.Cause)
	var left []rpc.ReleasedObject
	for _, o := range c.objects {
		gone := false
		for _, d := range req.Deleted {
			gone = gone || d == o.Object
		}
		if !gone {
			left = append(left, o)
		}
	}
	c.objects = left
	return &rpc.CompleteWorkResponse{}, nil
}

func (c *coordinators) release(partition int32, o kafka.ObjectID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.released[partition] == nil {
		c.released[partition] = map[kafka.ObjectID]bool{}
	}
	c.released[partition][o] = true
}

type bucket struct {
	objectstorage.Bucket
	mu      sync.Mutex
	deleted []string
	fail    map[string]int // how often a key cannot be deleted
}

func (b *bucket) DeleteMany(_ context.Context, keys []string) []error {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]error, len(keys))
	for i, k := range keys {
		if b.fail[k] > 0 {
			b.fail[k]--
			out[i] = errors.New("throttled")
			continue
		}
		b.deleted = append(b.deleted, k)
	}
	return out
}

func start(t *testing.T, c *coordinators, b *bucket) { startWith(t, c, b, &seen{coordinators: 2}) }

func startWith(t *testing.T, c *coordinators, b *bucket, view View) {
	t.Helper()
	j := New(Config{Cluster: "c1", Broker: 1, BrokerEpoch: func() int64 { return 5 }, View: view, Work: c, Bucket: b, Clock: clock.System,
		Jitter: func() float64 { return 0.5 }, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() { _ = j.Close() })
}

func object(sequence int64, coordinators ...int32) rpc.ReleasedObject {
	return rpc.ReleasedObject{Object: kafka.ObjectID{Epoch: 5, Sequence: sequence}, Coordinators: coordinators}
}

func TestSharedObjectGoesAfterTheLastRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own, shared := object(1, 0), object(2, 0, 1)
		c := &coordinators{objects: []rpc.ReleasedObject{own, shared}, released: map[int32]map[kafka.ObjectID]bool{}}
		b := &bucket{}
		start(t, c, b)
		time.Sleep(time.Second)
		synctest.Wait()
		if want := []string{own.Object.Key("c1")}; !reflect.DeepEqual(b.deleted, want) {
			t.Fatalf("deleted %v, want %v: the other partition still refers to %s", b.deleted, want, shared.Object)
		}
		c.release(1, shared.Object)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if want := []string{own.Object.Key("c1"), shared.Object.Key("c1")}; !reflect.DeepEqual(b.deleted, want) {
			t.Fatalf("deleted %v, want %v", b.deleted, want)
		}
	})
}

func TestWhatCouldNotBeDeletedIsKeptAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := object(1, 0), object(2, 0)
		c := &coordinators{objects: []rpc.ReleasedObject{one, two}, failCalls: 3}
		b := &bucket{fail: map[string]int{one.Object.Key("c1"): 2}}
		start(t, c, b)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if len(c.objects) != 0 {
			t.Fatalf("left: %v", c.objects)
		}
		if want := []kafka.ObjectID{two.Object}; !reflect.DeepEqual(c.completed[0], want) {
			t.Fatalf("first reported %v, want %v: partial success is kept", c.completed[0], want)
		}
		if key, last := one.Object.Key("c1"), c.causes[len(c.causes)-1]; !strings.Contains(c.causes[0], key) || last != "" {
			t.Fatalf("reported the causes %q: the first names %s, the last is empty", c.causes, key)
		}
	})
}

// A partition of __batch_coordinates that comes while a broker runs has its jobs there, too.
func TestNewCoordinatorsHaveJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, view := &coordinators{objects: []rpc.ReleasedObject{object(1, 0)}}, &growing{}
		b := &bucket{}
		startWith(t, c, b, view)
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(b.deleted) != 0 {
			t.Fatalf("there is no coordinator, and %v are deleted", b.deleted)
		}
		view.n.Store(1)
		time.Sleep(lookInterval)
		synctest.Wait()
		if len(b.deleted) != 1 {
			t.Fatalf("deleted %v", b.deleted)
		}
	})
}

type growing struct{ n atomic.Int32 }

func (g *growing) BatchCoordinators() int32 { return g.n.Load() }
func (g *growing) EpochOver(int64) bool     { return true }
