package batchprocessor

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/kafka/recordbatch/recordbatchtest"
	"github.com/inkwell-project/inkwell/objectstorage"
)

// The first batch of a new producer is in an object that the store refuses for good; what the producer sent behind it is uploaded already, or open, or arrives later.
// None of that may be committed before the first has come again: the partition would take it for the producer's beginning.
func TestWhatIsBehindARefusedFirstBatchWaitsForIt(t *testing.T) {
	run(t, func(c *Config) { c.UploadSlots = 2; c.GroupBytes = 1 }, func(t *testing.T, w *world) {
		w.bucket.onPut = func(_ context.Context, n int, _ [][]byte, _ bool) error {
			if n == 0 {
				time.Sleep(time.Second)
				return objectstorage.ErrDenied
			}
			return nil
		}
		w.append("first", w.produced(0, 42, 0))
		synctest.Wait()
		w.append("second", w.produced(0, 42, 2))
		w.append("neighbour", w.produced(1, 43, 0))
		time.Sleep(500 * time.Millisecond)
		w.append("third", w.produced(0, 42, 4))
		w.append("another producer", w.produced(2, 44, 0))
		time.Sleep(time.Second)
		w.wantCodes("first", kerr.KafkaStorageError.Code)
		for _, behind := range []string{"second", "third"} {
			w.wantCodes(behind, kerr.OutOfOrderSequenceNumber.Code)
		}
		w.wantCodes("neighbour", 0)
		w.wantCodes("another producer", 0)
		w.append("fourth", w.produced(0, 42, 6))
		synctest.Wait()
		w.wantCodes("fourth", kerr.OutOfOrderSequenceNumber.Code)
		for i, again := range []string{"first again", "second again", "third again", "fourth again"} {
			w.append(again, w.produced(0, 42, int32(2*i)))
			synctest.Wait()
			w.wantCodes(again, 0)
		}
	})
}

// A request that found no room in time was refused, too.
func TestWhatIsBehindARequestWithoutRoomWaitsForIt(t *testing.T) {
	run(t, func(c *Config) { c.MaxObjectBytes = 1024; c.MaxBufferedBytes = 1024; c.UploadSlots = 1 }, func(t *testing.T, w *world) {
		w.bucket.delay = 9 * time.Second
		w.append("large", w.request(1, 440, 0)) // about 1000 bytes
		first := w.produced(1, 42, 0)
		first.Deadline = time.Now().Add(5 * time.Second)
		w.append("first", first)
		w.wantCodes("first", kerr.RequestTimedOut.Code)
		w.append("second", w.produced(1, 42, 2))
		synctest.Wait()
		w.wantCodes("second", kerr.OutOfOrderSequenceNumber.Code)
		w.append("first again", w.produced(1, 42, 0))
		w.append("second again", w.produced(1, 42, 2))
		time.Sleep(time.Minute)
		w.wantCodes("first again", 0)
		w.wantCodes("second again", 0)
	})
}

// The refused batch may have gone elsewhere: what is remembered of it ends.
func TestRefusalsEnd(t *testing.T) {
	now := time.Unix(0, 0)
	r := refusals{}
	batch := func(sequence int32) recordbatch.Batch {
		return recordbatchtest.Build(recordbatchtest.Spec{Producer: &recordbatchtest.Producer{ID: 42, Sequence: sequence}, Records: recordbatchtest.Records(2, 10, 1)})
	}
	note := func(sequence int32) { r.note(tp(0), batch(sequence), now) }
	admit := func(sequence int32) bool { return r.admit(tp(0), batch(sequence), now) }
	note(10)
	note(12)
	if admit(12) || admit(14) || !admit(8) || !admit(10) || !admit(12) {
		t.Error("want what is not behind the earliest, until that comes again")
	}
	note(math.MaxInt32 - 1)
	if admit(1) || !admit(math.MaxInt32-3) {
		t.Error("sequences begin again at 0")
	}
	now = now.Add(refusedFor + 1)
	if !admit(1) || len(r) != 0 {
		t.Error("a refusal ends")
	}
}
