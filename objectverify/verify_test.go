package objectverify

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch/recordbatchtest"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/rpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What is explained is no finding, at every size of a page: an upload in flight, what waits for its deletion or for a sweep.
func TestCleanCluster(t *testing.T) {
	for _, page := range []int{1, 2, 3, 4, 1000} {
		w := newWorld(t)
		w.put(live(77), []byte("being committed"))
		w.put(kafka.ObjectID{Epoch: endingEpoch, Sequence: 1}, []byte("to be swept"))
		w.put(kafka.ObjectID{Epoch: sweepingEpoch, Sequence: 1}, []byte("to be swept"))
		for i, state := range []rpc.ObjectState{rpc.ObjectReleased, rpc.ObjectDeleting} {
			id := kafka.ObjectID{Epoch: fencedEpoch, Sequence: int64(i)}
			w.put(id, []byte("1234"))
			w.coordinators[0].objects[id] = &rpc.ObjectDescription{State: state, Bytes: 4}
		}
		w.putKey("orders-eu-2/stray", []byte("another cluster's"))
		cfg := w.config()
		cfg.Page = page
		r := w.run(cfg)
		if !r.Clean() || r.UncountedReferences != 0 || r.Unsettled != 0 {
			t.Errorf("page %d: %+v", page, r)
		}
		if r.Coordinators != 2 || r.Partitions != 4 || r.Coordinates != 16 || r.Objects != 11 || r.Referenced != 6 || r.Released != 2 || r.InFlight != 1 || r.Sweeping != 2 {
			t.Errorf("page %d: %+v", page, r)
		}
	}
}

// Key compaction leaves offsets out, retention cuts the front off, LogAppendTime is in the coordinate alone, refused batches lie between coordinates.
func TestWhatIsNotDenseForAReason(t *testing.T) {
	w := newWorld(t)
	p := w.partition(second)
	p.LogStartOffset = 2 // inside the first coordinate
	p.Coordinates[2].AppendTimestamp, p.Coordinates[2].MaxTimestamp = 9999, 9999
	p = w.partition(third)
	cut := func(c *rpc.Coordinate) { // its second batch was refused
		half := recordbatchtest.Simple(3, 10, 1000).Size()
		c.Bytes, c.Batches, c.LastOffset, c.MaxTimestamp = int32(half), 1, c.BaseOffset+2, 1000
	}
	cut(&p.Coordinates[4])
	p.HighWatermark, p.Bytes = p.Coordinates[4].LastOffset+1, 0
	for _, c := range p.Coordinates {
		p.Bytes += int64(c.Bytes)
	}
	// The third coordinate was compacted away.
	gone := p.Coordinates[2]
	p.Coordinates = append(p.Coordinates[:2:2], p.Coordinates[3:]...)
	p.Bytes -= int64(gone.Bytes)
	p.Count--
	p.HolesBelow = gone.LastOffset + 1
	w.coordinators[1].objects[gone.Object].References = 0
	w.coordinators[1].objects[gone.Object].State = rpc.ObjectReleased
	if r := w.run(w.config()); !r.Clean() || r.Coordinates != 15 {
		t.Errorf("%+v", r)
	}
	p.HolesBelow--
	if r := w.run(w.config()); r.Findings != 1 || r.First[0].Kind != Coordinates {
		t.Errorf("a hole above what was compacted: %+v", r)
	}
}

// Every kind of finding, provoked. Nothing else is found beside it.
func TestFindings(t *testing.T) {
	stray := kafka.ObjectID{Epoch: fencedEpoch, Sequence: 8}
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte {
			if at < 0 {
				at += len(b)
			}
			b[at] ^= 1
			return b
		}
	}
	for name, test := range map[string]struct {
		provoke func(w *world)
		want    []string // a line has each
	}{
		"removed": {func(w *world) { w.remove(live(5).Key(clusterName)) },
			[]string{"missing object orders-eu/", live(5).Key(clusterName), "partition " + first.String(), "coordinator 0", "offsets 25 to 30: it is not in the bucket"}},
		"a record changed":         {func(w *world) { w.change(live(5), flip(500)) }, []string{"damaged object", "the CRC of the batch at byte 8 is"}},
		"a later record changed":   {func(w *world) { w.change(live(5), flip(1<<20)) }, []string{"damaged object", "the CRC of the batch at byte 819"}},
		"a base offset changed":    {func(w *world) { w.change(live(5), flip(15)) }, []string{"mismatch", "begins at offset 25, it begins at 24"}},
		"a leader epoch changed":   {func(w *world) { w.change(live(5), flip(8+12)) }, []string{"damaged object", "the CRC of the segment"}},
		"a batch's length changed": {func(w *world) { w.change(live(5), flip(8+8)) }, []string{"damaged object", "the batch at byte 8 claims"}},
		"a batch's magic changed":  {func(w *world) { w.change(live(5), flip(8+16)) }, []string{"damaged object", "magic 3"}},
		"the header changed":       {func(w *world) { w.change(live(5), flip(0)) }, []string{"damaged object", "at its beginning", "no header"}},
		"the footer changed":       {func(w *world) { w.change(live(5), flip(-30)) }, []string{"damaged object", "at its end", "footer's CRC"}},
		"the trailer changed":      {func(w *world) { w.change(live(5), flip(-1)) }, []string{"damaged object", "at its end", "no trailer"}},
		"the index changed":        {func(w *world) { w.change(live(5), flip(int(w.partition(first).Coordinates[5].IndexPosition)+20)) }, []string{"damaged object", "the index at byte", "CRC"}},
		"another object": {func(w *world) {
			w.change(live(5), func([]byte) []byte { return w.body(live(1).Key(clusterName)) })
			w.sizes()
		}, []string{"mismatch", "it says that it is object 6-1"}},
		"bytes elsewhere":            {func(w *world) { w.partition(first).Coordinates[5].Position += 1 << 22 }, []string{"mismatch", "has no segment of the partition"}},
		"bytes of a neighbour":       {func(w *world) { w.partition(first).Coordinates[1].Position += 100 }, []string{"mismatch", "has no segment of the partition"}},
		"a batch is cut":             {func(w *world) { c := &w.partition(first).Coordinates[5]; c.Bytes -= 5; w.partition(first).Bytes -= 5 }, []string{"mismatch", "is cut by the coordinate"}},
		"fewer batches":              {func(w *world) { w.partition(first).Coordinates[5].Batches++ }, []string{"mismatch", "have 6 batches, 7 were committed"}},
		"another time":               {func(w *world) { w.partition(first).Coordinates[0].MaxTimestamp++ }, []string{"mismatch", "have the greatest timestamp 2000, 2001 was committed"}},
		"another index":              {func(w *world) { w.partition(first).Coordinates[5].IndexBytes++ }, []string{"mismatch", "have an index at bytes"}},
		"shorter in the coordinate":  {func(w *world) { p := w.partition(first); p.Coordinates[5].LastOffset--; p.HighWatermark-- }, []string{"mismatch", "the footer says 25 to 30"}},
		"fewer records":              {func(w *world) { p := w.partition(second); p.Coordinates[4].LastOffset++; p.HighWatermark++ }, []string{"mismatch", "end at 24"}},
		"another size":               {func(w *world) { w.coordinators[1].objects[live(1)].Bytes++ }, []string{"mismatch", "bytes, ", "were committed"}},
		"truncated, without a batch": {func(w *world) { w.change(live(5), func(b []byte) []byte { return b[:20] }); w.sizes() }, []string{"damaged object", "too few"}},

		"a gap":                 {func(w *world) { p := w.partition(first); p.HighWatermark++ }, []string{"coordinates (partition", "no coordinate has offsets 31 to 31"}},
		"at the log start":      {func(w *world) { w.partition(second).LogStartOffset = 5 }, []string{"offsets 0 to 4 are below the log start 5"}},
		"too many":              {func(w *world) { w.partition(first).HighWatermark-- }, []string{"coordinates end at 30, the high watermark is 30"}},
		"sums":                  {func(w *world) { w.partition(first).Bytes++ }, []string{"sums", "coordinates of"}},
		"counts":                {func(w *world) { w.partition(first).Count-- }, []string{"sums", "its state says 5 coordinates", "it has 6"}},
		"released all the same": {func(w *world) { w.coordinators[1].objects[live(1)].State = rpc.ObjectReleased }, []string{"dangling coordinate", live(1).Key(clusterName), "may be deleted"}},
		"a reference too many":  {func(w *world) { w.coordinators[1].objects[live(1)].References++ }, []string{"reference counts", "coordinator 1 has 5 coordinates and counts 6"}},
		"references exchanged": {func(w *world) {
			w.coordinators[0].objects[live(1)].References++
			w.coordinators[0].objects[live(2)].References--
		}, []string{"reference counts", "coordinator 0 has 11 coordinates and counts 11"}},

		"a stray object":              {func(w *world) { w.put(stray, []byte("12345")) }, []string{"unreferenced object", stray.Key(clusterName), "5 bytes of the fenced epoch 3"}},
		"of a broker that never was":  {func(w *world) { w.put(kafka.ObjectID{Epoch: metadataEnd}, []byte("1")) }, []string{"object of an unissued epoch", "no broker has had epoch 10"}},
		"a key that no broker writes": {func(w *world) { w.putKey(clusterName+"/notes.txt", []byte("1")) }, []string{"foreign key orders-eu/notes.txt"}},
		"in the wrong folder":         {func(w *world) { w.putKey(strings.Replace(live(9).Key(clusterName), "/0", "/1", 1), []byte("1")) }, []string{"foreign key"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			test.provoke(w)
			r := w.run(w.config())
			if r.Findings != 1 || r.Unchecked != 0 {
				t.Fatalf("%d findings:\n%s\n%+v", r.Findings, strings.Join(texts(r), "\n"), r)
			}
			for _, want := range test.want {
				if got := texts(r)[0]; !strings.Contains(got, want) {
					t.Errorf("%s\nhas no %q", got, want)
				}
			}
		})
	}
}

// sizes makes the coordinators believe the sizes that the bucket has.
func (w *world) sizes() {
	for _, c := range w.coordinators {
		for id, d := range c.objects {
			d.Bytes = int64(len(w.body(id.Key(clusterName))))
		}
	}
}

// No byte of an object can change unseen.
func TestEveryByteCounts(t *testing.T) {
	w := emptyWorld(t)
	for i := range int64(3) {
		w.produce(i, second, third)
	}
	for at := range w.body(live(2).Key(clusterName)) {
		w.change(live(2), func(b []byte) []byte { b[at] ^= 0x10; return b })
		if r := w.run(w.config()); r.Findings == 0 || r.Unchecked > 0 {
			t.Errorf("byte %d changed and nothing is found", at)
		}
		w.change(live(2), func(b []byte) []byte { b[at] ^= 0x10; return b })
	}
	for n := len(w.body(live(2).Key(clusterName))) - 1; n >= 0; n -= 7 {
		w.change(live(2), func(b []byte) []byte { return b[:n] })
		if r := w.run(w.config()); r.Findings < 3 { // two coordinates and the size
			t.Errorf("cut to %d bytes: %v", n, texts(r))
		}
	}
}

// merge makes one coordinate of all of a partition's, in a new object, and deletes the old ones: what a job does between a look and a read.
func (w *world) merge(tp kafka.TopicIDPartition) {
	p, objects := w.partition(tp), w.coordinator(tp).objects
	records := p.HighWatermark
	for _, c := range p.Coordinates {
		if objects[c.Object].References--; objects[c.Object].References == 0 {
			delete(objects, c.Object)
		}
		w.remove(c.Object.Key(clusterName))
	}
	*p = rpc.PartitionCoordinates{Partition: tp}
	for sequence := int64(100); p.HighWatermark < records; sequence++ {
		w.produce(sequence, tp)
	}
	w.ends[0]++
}

// Objects come and go while they are looked at.
func TestChangesWhileLooking(t *testing.T) {
	once := func(fn func()) func(string) error {
		var done atomic.Bool
		return func(string) error {
			if done.CompareAndSwap(false, true) {
				fn()
			}
			return nil
		}
	}
	one := func(t *testing.T) (*world, Config) {
		w := emptyWorld(t)
		for i := range int64(3) {
			w.produce(i, second)
		}
		cfg := w.config()
		cfg.Readers = 1
		return w, cfg
	}
	t.Run("merged", func(t *testing.T) {
		w, cfg := one(t)
		w.beforeHead = once(func() { w.merge(second) })
		r := w.run(cfg)
		if !r.Clean() || r.Replaced != 3 || r.UncountedReferences != 1 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("merged to what is damaged", func(t *testing.T) {
		w, cfg := one(t)
		w.beforeHead = once(func() { w.merge(second); w.change(live(101), func(b []byte) []byte { b[40] ^= 1; return b }) })
		if r := w.run(cfg); r.ByKind[Damaged] == 0 || r.Findings != r.ByKind[Damaged] {
			t.Errorf("%+v", r)
		}
	})
	t.Run("expired", func(t *testing.T) {
		w, cfg := one(t)
		w.beforeHead = once(func() {
			for i := range int64(3) {
				w.remove(live(i).Key(clusterName))
			}
			w.coordinators[0].partitions, w.coordinators[0].objects = nil, nil
			w.ends[0]++
		})
		if r := w.run(cfg); !r.Clean() || r.Replaced != 3 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("its topic is deleted", func(t *testing.T) {
		w, cfg := one(t)
		w.beforeHead = once(func() {
			w.partition(second).Deleting = true
			w.remove(live(0).Key(clusterName))
			w.ends[0]++
		})
		if r := w.run(cfg); !r.Clean() {
			t.Errorf("%+v", r)
		}
	})
	t.Run("deleted after it was listed", func(t *testing.T) {
		w, cfg := one(t)
		id := kafka.ObjectID{Epoch: fencedEpoch, Sequence: 1}
		w.put(id, []byte("1"))
		w.coordinators[0].objects[id] = &rpc.ObjectDescription{State: rpc.ObjectDeleting, Bytes: 1}
		asked := 0
		w.beforeDescribe = func() {
			if asked++; asked == 2 { // the first is about references
				w.remove(id.Key(clusterName))
				delete(w.coordinators[0].objects, id)
			}
		}
		if r := w.run(cfg); !r.Clean() {
			t.Errorf("%+v", r)
		}
	})
	t.Run("the store shows an object late", func(t *testing.T) {
		w, cfg := one(t)
		missed := 0
		w.beforeHead = func(string) error {
			if missed++; missed == 1 {
				return objectstorage.ErrNotFound
			}
			return nil
		}
		if r := w.run(cfg); !r.Clean() || missed < 2 {
			t.Errorf("%+v", r)
		}
	})
}

// A store or a coordinator that does not answer is no finding, and never clean.
func TestWhatCannotBeLookedAt(t *testing.T) {
	away := errors.New("the store is away")
	w := newWorld(t)
	w.beforeGet = func(key string) error {
		if key == live(3).Key(clusterName) {
			return away
		}
		return nil
	}
	r := w.run(w.config())
	if r.Findings != 0 || r.Unchecked != 3 || r.Clean() || !strings.Contains(r.FirstUnchecked[0], away.Error()) {
		t.Errorf("%+v", r)
	}
	w.beforeGet = func(string) error { return away }
	for i := range int64(maxUnchecked) {
		w.produce(1000+i, first)
	}
	if r, err := New(w.config()).Run(t.Context()); !errors.Is(err, errTooMuch) || !errors.Is(err, away) || r.Unchecked < maxUnchecked {
		t.Errorf("%v, %+v", err, r)
	}
	cfg := w.config()
	cfg.Cluster = "other"
	if _, err := New(cfg).Run(t.Context()); err == nil || !strings.Contains(err.Error(), `"orders-eu", not for "other"`) {
		t.Error(err)
	}
}

// Repair deletes what it listed as unreferenced, after every coordinator agreed, and nothing else.
func TestRepair(t *testing.T) {
	stray, unissued := kafka.ObjectID{Epoch: fencedEpoch, Sequence: 8}, kafka.ObjectID{Epoch: metadataEnd}
	damaged := func(t *testing.T) *world {
		w := newWorld(t)
		w.put(stray, []byte("12345"))
		w.put(unissued, []byte("1"))
		w.putKey(clusterName+"/notes.txt", []byte("1"))
		w.remove(live(4).Key(clusterName))
		return w
	}
	exists := func(w *world, key string) bool {
		_, err := w.bucket.Head(t.Context(), key)
		return err == nil
	}
	w := damaged(t)
	if r := w.run(w.config()); r.Repairable != 1 || r.RepairableBytes != 5 || r.Repaired != 0 || !exists(w, stray.Key(clusterName)) {
		t.Errorf("%+v", r)
	}
	cfg := w.config()
	cfg.Repair = true
	w.keeps = true
	if r := w.run(cfg); r.Repairable != 1 || r.Repaired != 0 || r.Unchecked != 1 || !exists(w, stray.Key(clusterName)) {
		t.Errorf("a coordinator disagrees: %+v", r)
	}
	w.keeps, w.described, w.grown = false, 0, 1
	if r := w.run(cfg); r.Repairable != 1 || r.Repaired != 0 || r.Unchecked != 1 || !exists(w, stray.Key(clusterName)) {
		t.Errorf("a coordinator came that was not asked: %+v", r)
	}
	w.grown = 0
	before, _ := w.bucket.List(t.Context(), "", "", 100)
	if r := w.run(cfg); r.Repaired != 1 || r.RepairedBytes != 5 || exists(w, stray.Key(clusterName)) {
		t.Errorf("%+v", r)
	}
	if after, _ := w.bucket.List(t.Context(), "", "", 100); len(after) != len(before)-1 || !exists(w, unissued.Key(clusterName)) || !exists(w, clusterName+"/notes.txt") {
		t.Errorf("%d objects are left of %d", len(after), len(before))
	}
}

// Quick reads no batches, and still sees what is missing or cut.
func TestQuick(t *testing.T) {
	w := newWorld(t)
	cfg := w.config()
	cfg.SkipBytes = true
	w.change(live(5), func(b []byte) []byte { b[500] ^= 1; return b })
	if r := w.run(cfg); !r.Clean() || r.Coordinates != 16 {
		t.Errorf("%+v", r)
	}
	w.change(live(5), func(b []byte) []byte { return b[:len(b)-1] })
	if r := w.run(cfg); r.ByKind[Damaged] != 1 {
		t.Errorf("%+v", r)
	}
}

// Only so many findings are kept.
func TestFindingsAreBounded(t *testing.T) {
	w := newWorld(t)
	for i := range int64(20) {
		w.put(kafka.ObjectID{Epoch: fencedEpoch, Sequence: i}, []byte("1"))
	}
	cfg, told := w.config(), 0
	cfg.MaxFindings = 7
	cfg.Found = func(Finding) { told++ }
	if r := w.run(cfg); r.Findings != 20 || len(r.First) != 7 || told != 7 {
		t.Errorf("%d told, %+v", told, r)
	}
}
