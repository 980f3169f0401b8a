package batchcoordinator

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/batchcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog/raftlogtest"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/rpc"
)

func TestRetentionRuns(t *testing.T) {
	inBubble(t, func(c *Config) { c.PageCoordinates = 1 }, func(t *testing.T, f *fixture) {
		f.image.create(orders, PartitionInfo{Coordinator: 2, RetentionMs: 20_000, RetentionBytes: -1, Delete: true})
		f.image.create(payments, PartitionInfo{Coordinator: 2, RetentionMs: -1, RetentionBytes: 150, Delete: true})
		f.commit(orders, payments)
		f.commit(orders, payments)
		time.Sleep(25 * time.Second)
		f.commit(orders, payments)
		f.wantLogStart(orders, 0)
		time.Sleep(6 * time.Second) // the first check is at 30 s
		f.wantLogStart(orders, 20)
		f.wantLogStart(payments, 10) // 200 bytes: one less would be below the limit
		time.Sleep(5 * time.Minute)
		f.wantLogStart(orders, 30)
	})
}

func TestRetentionKeepsCompactedTopics(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, f *fixture) {
		f.image.create(orders, PartitionInfo{Coordinator: 2, RetentionMs: 1, RetentionBytes: 1})
		f.commit(orders)
		time.Sleep(time.Hour)
		f.wantLogStart(orders, 0)
	})
}

func TestTopicDeletionIsFollowed(t *testing.T) {
	inBubble(t, func(c *Config) { c.PageCoordinates = 1 }, func(t *testing.T, f *fixture) {
		f.commit(orders, payments)
		f.commit(orders)
		f.image.remove(orders.ID)
		time.Sleep(time.Second)
		f.log.View(func(r statestore.Reader) {
			if known := state.Topics(r); len(known) != 1 || known[0] != payments.ID {
				t.Errorf("topics with state %v", known)
			}
			if !state.Released(r, kafka.ObjectID{Epoch: 1, Sequence: 1}) || state.Released(r, kafka.ObjectID{Epoch: 1}) {
				t.Error("the object of the deleted topic alone is garbage, the shared one is not")
			}
		})
	})
}

// A commit was checked while the topic was there and is applied after its deletion was followed.
func TestCommitBehindTheDeletionIsForgotten(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, f *fixture) {
		time.Sleep(time.Second)
		f.log.Hold()
		done := make(chan error, 1)
		req := f.request(f.object(orders))
		go func() {
			_, err := f.CommitObjects(t.Context(), req)
			done <- err
		}()
		synctest.Wait()
		f.image.remove(orders.ID)
		time.Sleep(time.Second)
		f.log.Release()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Minute)
		f.log.View(func(r statestore.Reader) {
			if known := state.Topics(r); len(known) != 0 {
				t.Errorf("topics with state %v", known)
			}
		})
	})
}

// A new leader whose image is behind does not know a topic that commits were accepted for: it waits, and deletes nothing.
func TestOlderImageDeletesNothing(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, f *fixture) {
		f.commit(orders)
		f.Close()
		older := newTestImage()
		c, err := New(Config{Cluster: "c", Partition: 2, Log: f.log, Metadata: older})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		time.Sleep(time.Hour)
		f.log.View(func(r statestore.Reader) {
			if len(state.Topics(r)) != 1 {
				t.Error("the topic was deleted")
			}
		})
		older.create(orders, keepAll)
		older.update(func() { older.offset = f.image.Offset() })
		time.Sleep(time.Second)
		f.Coordinator = c
		if r := f.find(orders, 0); r.Error != 0 || r.HighWatermark != 10 {
			t.Errorf("found %+v", r)
		}
	})
}

func TestLoopsFollowLeadership(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, f *fixture) {
		f.image.create(orders, PartitionInfo{Coordinator: 2, RetentionMs: 1, RetentionBytes: -1, Delete: true})
		f.commit(orders)
		synctest.Wait()
		f.log.SetLeader(false)
		commands := len(f.log.Commands())
		time.Sleep(time.Hour)
		if n := len(f.log.Commands()); n != commands {
			t.Errorf("%d commands without leadership", n-commands)
		}
		f.log.SetLeader(true)
		time.Sleep(time.Minute)
		f.wantLogStart(orders, 10)
	})
}

func TestLoopGoesOnAfterAnError(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, f *fixture) {
		f.image.create(orders, PartitionInfo{Coordinator: 2, RetentionMs: 1, RetentionBytes: -1, Delete: true})
		f.commit(orders)
		time.Sleep(time.Second)
		f.log.Inject(raftlogtest.Fault{Err: kafka.ErrUnknownOutcome})
		time.Sleep(time.Minute)
		f.wantLogStart(orders, 0)
		time.Sleep(5 * time.Minute)
		f.wantLogStart(orders, 10)
	})
}

func TestProducersExpire(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, f *fixture) {
		producers := func() int {
			r, err := f.DescribePartitions(t.Context(), &rpc.DescribePartitionsRequest{Coordinator: 2, Producers: true, Partitions: []kafka.TopicIDPartition{orders}})
			if err != nil {
				t.Fatal(err)
			}
			return len(r.Partitions[0].Producers)
		}
		o := f.object(orders)
		o.Segments[0].Batches[0].ProducerID = 42
		if _, err := f.CommitObjects(t.Context(), f.request(o)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24*time.Hour - time.Minute)
		if producers() != 1 {
			t.Error("expired early")
		}
		time.Sleep(12 * time.Minute)
		if producers() != 0 {
			t.Error("not expired")
		}
	})
}

func (f *fixture) requestWork(wait time.Duration) (*rpc.RequestWorkResponse, error) {
	return f.RequestWork(f.t.Context(), &rpc.RequestWorkRequest{Coordinator: 2, Broker: 1, BrokerEpoch: 1, MaxObjects: 10, WaitMillis: wait.Milliseconds()})
}

func TestWorkIsParkedUntilDue(t *testing.T) {
	inBubble(t, func(c *Config) { c.MaxWorkWait = time.Hour }, func(t *testing.T, f *fixture) {
		began := time.Now()
		if r, err := f.requestWork(30 * time.Second); err != nil || len(r.Objects) > 0 || time.Since(began) != 30*time.Second {
			t.Errorf("without work: %+v, %v after %v", r, err, time.Since(began))
		}
		type answer struct {
			r   *rpc.RequestWorkResponse
			err error
			at  time.Time
		}
		done := make(chan answer, 1)
		f.commit(orders)
		go func() {
			r, err := f.requestWork(time.Hour)
			done <- answer{r, err, time.Now()}
		}()
		time.Sleep(10 * time.Second)
		commands := len(f.log.Commands())
		if _, err := f.DeleteRecords(t.Context(), &rpc.DeleteRecordsRequest{Coordinator: 2, Partitions: []rpc.DeleteRecords{{Partition: orders, Before: -1}}}); err != nil {
			t.Fatal(err)
		}
		released := time.Now()
		a := <-done
		if a.err != nil || a.at.Sub(released) != time.Minute || a.r.Objects[0].Object != (kafka.ObjectID{Epoch: 1}) {
			t.Fatalf("%+v, %v after %v", a.r, a.err, a.at.Sub(released))
		}
		if n := len(f.log.Commands()) - commands; n != 2 {
			t.Errorf("%d commands, want the deletion and the lease", n)
		}
		complete := &rpc.CompleteWorkRequest{Coordinator: 2, Broker: 1, BrokerEpoch: 1, Lease: a.r.Lease, Deleted: []kafka.ObjectID{a.r.Objects[0].Object}}
		if _, err := f.CompleteWork(t.Context(), complete); err != nil {
			t.Error(err)
		}
		if _, err := f.CompleteWork(t.Context(), complete); err != nil {
			t.Errorf("asked again: %v", err) // the first answer, for it may have been lost
		}
		complete.Broker = 2
		if _, err := f.CompleteWork(t.Context(), complete); !errors.Is(err, kerr.FencedInstanceID) {
			t.Errorf("somebody else's lease: %v", err)
		}
	})
}

func TestParkedWorkEndsWithLeadership(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, f *fixture) {
		done := make(chan error, 1)
		go func() {
			_, err := f.requestWork(time.Minute)
			done <- err
		}()
		synctest.Wait()
		f.log.SetLeader(false)
		lost := time.Now()
		if err := <-done; !errors.Is(err, kerr.NotCoordinator) || time.Since(lost) > 0 {
			t.Errorf("error %v after %v", err, time.Since(lost))
		}
	})
}

func TestCheckReleasedFencesEndedEpochs(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, f *fixture) {
		f.commit(orders)
		synctest.Wait()
		check := func(ids ...kafka.ObjectID) []bool {
			r, err := f.CheckReleased(t.Context(), &rpc.CheckReleasedRequest{Coordinator: 2, Objects: ids})
			if err != nil {
				t.Fatal(err)
			}
			return r.Released
		}
		never := kafka.ObjectID{Epoch: 1, Sequence: 99}
		if got := check(kafka.ObjectID{Epoch: 1}, never); got[0] || got[1] {
			t.Errorf("a live epoch: %v", got)
		}
		// An epoch between two looks at the image: it began and ended, and the live ones are the same as before.
		brief := kafka.ObjectID{Epoch: f.image.Offset() + 1}
		f.image.update(func() {})
		if got := check(brief, never); !got[0] || got[1] {
			t.Errorf("an epoch that is over: %v", got)
		}
		f.image.update(func() { f.image.live = nil })
		if got := check(kafka.ObjectID{Epoch: 1}, never); got[0] || !got[1] {
			t.Errorf("after the end of the epoch: %v", got)
		}
		if _, err := f.CommitObjects(t.Context(), f.request(f.object(orders))); !errors.Is(err, kerr.StaleBrokerEpoch) {
			t.Errorf("a commit of the ended epoch: %v", err)
		}
	})
}
