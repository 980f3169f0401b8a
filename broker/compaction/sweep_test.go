package compaction

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/faulty"
	"github.com/inkwell-project/inkwell/rpc"
)

const fenced = 2

func sweepWork() rpc.RequestWorkResponse {
	return rpc.RequestWorkResponse{Kind: rpc.WorkSweep, Sweep: &rpc.SweepWork{Broker: 4, Epoch: fenced, Round: 1}}
}

// uploads puts n objects of an epoch.
func uploads(t *testing.T, w *world, epoch int64, n int) {
	t.Helper()
	for i := range n {
		if err := w.memory.PutIfAbsent(t.Context(), kafka.ObjectID{Epoch: epoch, Sequence: int64(i)}.Key(cluster), nil); err != nil {
			t.Fatal(err)
		}
	}
}

// Only what every coordinator partition has released goes, and only of the epoch; uploads that were not finished go, too.
func TestSweep(t *testing.T) {
	w := newWorld(nil)
	defer func() { _ = w.jobs.Close() }()
	w.image.coordinators = 3
	n := 0 // more than a page in one of the 16 folders
	for sequence := int64(0); n < listPage+100; sequence++ {
		id := kafka.ObjectID{Epoch: fenced, Sequence: sequence}
		if folder := kafka.EpochPrefixes(cluster, fenced)[6]; !strings.HasPrefix(id.Key(cluster), folder) {
			continue
		}
		if err := w.memory.PutIfAbsent(t.Context(), id.Key(cluster), nil); err != nil {
			t.Fatal(err)
		}
		n++
	}
	held := 0
	for _, id := range w.keys(t, fenced) {
		if id.Sequence%100 < 3 {
			held++
		}
	}
	uploads(t, w, epoch, 50)
	uploads(t, w, inputEpoch, 50)
	foreign := fmt.Sprintf("%s/00/%016x/notes.txt", cluster, fenced)
	if err := w.memory.PutIfAbsent(t.Context(), foreign, nil); err != nil {
		t.Fatal(err)
	}
	for _, e := range []int64{fenced, epoch} {
		if _, err := w.memory.StartUpload(t.Context(), kafka.ObjectID{Epoch: e, Sequence: 1 << 30}.Key(cluster), 1); err != nil {
			t.Fatal(err)
		}
	}
	// Each coordinator still refers to some.
	w.released = func(c int32, o kafka.ObjectID) bool { return o.Epoch == fenced && o.Sequence%100 != int64(c) }
	if err := w.do(t.Context(), sweepWork()); err != nil {
		t.Fatal(err)
	}
	if got := w.completed[0].SweptObjects; got != int64(n-held) {
		t.Errorf("swept %d, want %d", got, n-held)
	}
	if err := errJoin(w.memory.DeleteMany(t.Context(), []string{foreign})); err != nil {
		t.Fatal(err)
	}
	for _, id := range w.keys(t, fenced) {
		if id.Sequence%100 > 2 {
			t.Fatalf("%v is left", id)
		}
	}
	if a, b, c := len(w.keys(t, fenced)), len(w.keys(t, epoch)), len(w.keys(t, inputEpoch)); a != held || b != 50 || c != 50 {
		t.Errorf("%d, %d, %d are left", a, b, c)
	}
	if left, err := w.memory.AbortUploads(t.Context(), ""); err != nil || left != 1 {
		t.Errorf("%d uploads are left, want that of the live epoch; %v", left, err)
	}
}

func errJoin(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// lyingLists answers a list with keys of its own choice.
type lyingLists struct {
	objectstorage.Bucket
	keys []string
}

func (l lyingLists) List(context.Context, string, string, int) ([]objectstorage.Info, error) {
	infos := make([]objectstorage.Info, len(l.keys))
	for i, key := range l.keys {
		infos[i].Key = key
	}
	return infos, nil
}

// A bucket that lists objects of other epochs, other clusters, in no order or for ever deletes nothing live and ends the job.
func TestSweepBelievesNoList(t *testing.T) {
	live := kafka.ObjectID{Epoch: inputEpoch, Sequence: 1}
	for _, keys := range [][]string{
		{live.Key(cluster)},
		{kafka.ObjectID{Epoch: fenced}.Key("c2")},
		{"zzz", "aaa"},
		{""},
	} {
		w := newWorld(nil)
		w.image.coordinators = 1
		w.released = func(_ int32, o kafka.ObjectID) bool { return true }
		if err := w.memory.PutIfAbsent(t.Context(), live.Key(cluster), nil); err != nil {
			t.Fatal(err)
		}
		w.jobs.cfg.Bucket = lyingLists{w.memory, keys}
		_ = w.do(t.Context(), sweepWork())
		if len(w.keys(t, inputEpoch)) != 1 {
			t.Errorf("%q: a live object is gone", keys)
		}
		_ = w.jobs.Close()
	}
}

// A sweep that fails keeps what it did and goes on the next time.
func TestSweepAfterFaults(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(nil)
		w.image.coordinators = 2
		w.released = func(_ int32, o kafka.ObjectID) bool { return o.Epoch == fenced && o.Sequence != 7 }
		uploads(t, w, fenced, 30)
		w.faulty.FailNth(n, errBoom)
		failed := w.do(t.Context(), sweepWork()) != nil
		if failed != (len(w.failed) == 1) || failed == (len(w.completed) == 1) {
			t.Fatal(n, failed, w.failed, w.completed)
		}
		if failed {
			if err := w.do(t.Context(), sweepWork()); err != nil {
				t.Fatal(err)
			}
		}
		if left := w.keys(t, fenced); len(left) != 1 || left[0].Sequence != 7 {
			t.Fatal(n, left)
		}
		faults := w.faulty.Failed()
		_ = w.jobs.Close()
		if faults == 0 {
			return
		}
	}
}

// What the epoch committed to a coordinator partition that is newer than this broker's start is asked about there; a view that is too old to show all of them sweeps nothing.
func TestSweepAsksWhatIsThereByNow(t *testing.T) {
	w := newWorld(nil)
	defer func() { _ = w.jobs.Close() }()
	w.image = seen{coordinators: 1, unseen: fenced}
	w.released = func(c int32, _ kafka.ObjectID) bool { return c == 0 } // live in partition 1
	uploads(t, w, fenced, 3)
	if err := w.do(t.Context(), sweepWork()); err == nil || w.faulty.Calls(faulty.Any) != 0 || len(w.failed) != 1 {
		t.Errorf("%v, and the coordinator was told %+v", err, w.failed)
	}
	w.image = seen{coordinators: 2}
	if err := w.do(t.Context(), sweepWork()); err != nil {
		t.Error(err)
	}
	if left := w.keys(t, fenced); len(left) != 3 {
		t.Errorf("of 3 live objects %d are left", len(left))
	}
}

// A broker never sweeps its own epoch.
func TestOwnEpochIsNotSwept(t *testing.T) {
	w := newWorld(nil)
	defer func() { _ = w.jobs.Close() }()
	work := sweepWork()
	work.Sweep.Epoch = epoch
	if err := w.do(t.Context(), work); err == nil || w.faulty.Calls(faulty.Any) != 0 {
		t.Fatal(err)
	}
}
