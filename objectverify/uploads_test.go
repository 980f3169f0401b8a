package objectverify

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/objectstorage"
)

// later is a clock that is ahead of the store's.
type later struct {
	clock.Clock
	by time.Duration
}

func (l later) Now() time.Time { return l.Clock.Now().Add(l.by) }

// uploading is a bucket with temp files, whose keys nobody knows, and one that completes an upload while it is looked at.
type uploading struct {
	objectstorage.Bucket
	temp    []objectstorage.UnfinishedUpload
	vanish  string // key of an upload that is listed once
	listed  bool
	aborted []string
}

func (b *uploading) ListUploads(ctx context.Context, prefix string, max int) (list []objectstorage.UnfinishedUpload, more bool, err error) {
	all, more, err := b.Bucket.ListUploads(ctx, prefix, max)
	for _, u := range all {
		if u.Key != b.vanish || !b.listed {
			list = append(list, u)
		}
		b.listed = b.listed || u.Key == b.vanish
	}
	if !more && prefix == clusterName+"/" { // behind all others
		list = append(list, b.temp...)
	}
	return list, more, err
}

func (b *uploading) AbortUpload(ctx context.Context, u objectstorage.UnfinishedUpload) error {
	b.aborted = append(b.aborted, u.Key+u.ID)
	return b.Bucket.AbortUpload(ctx, u)
}

// Uploads that nobody finishes are found once they are old, those of epochs that are to be swept and of other clusters never; Repair aborts what is left over and nothing else.
func TestUnfinishedUploads(t *testing.T) {
	w := newWorld(t)
	begin := func(key string) {
		if _, err := w.bucket.StartUpload(t.Context(), key, 5<<20); err != nil {
			t.Fatal(err)
		}
	}
	key := func(epoch, sequence int64) string {
		return kafka.ObjectID{Epoch: epoch, Sequence: sequence}.Key(clusterName)
	}
	for _, epoch := range []int64{fencedEpoch, sweepingEpoch, endingEpoch, liveEpoch} {
		begin(key(epoch, 900))
	}
	begin("other/00/0000000000000003/0000000000000001")
	b := &uploading{Bucket: w.bucket}
	cfg := w.config()
	cfg.Bucket, cfg.Repair = b, true
	if r := w.run(cfg); !r.Clean() || r.Uploads != 4 || r.SweepingUploads != 2 || r.OldestUploadAge > time.Minute {
		t.Errorf("all are young: %+v", r)
	}

	b.temp = []objectstorage.UnfinishedUpload{{ID: "zz/old", Started: time.Now()}, {ID: "zz/young", Started: time.Now().Add(25 * time.Hour)}}
	b.vanish = key(fencedEpoch, 901)
	begin(b.vanish)
	begin(clusterName + "/notes.txt")
	begin(key(metadataEnd, 1))
	cfg.Clock, cfg.Repair = later{clock.System, 25 * time.Hour}, false
	r := w.run(cfg)
	if r.Uploads != 9 || r.ByKind[Unfinished] != 5 || r.Findings != 5 || r.RepairableUploads != 3 || r.RepairedUploads != 0 || len(b.aborted) != 0 {
		t.Errorf("%+v, aborted %v", r, b.aborted)
	}
	for _, f := range r.First {
		if !strings.Contains(f.Text, "begun 25h0m") {
			t.Errorf("%s does not tell the age", f)
		}
	}
	cfg.Repair, b.listed = true, false
	r = w.run(cfg)
	want := []string{key(fencedEpoch, 900), key(liveEpoch, 900), "zz/old"}
	if r.RepairedUploads != 3 || len(b.aborted) != 3 {
		t.Errorf("%+v, aborted %v", r, b.aborted)
	}
	for i := range min(3, len(b.aborted)) {
		if !strings.HasPrefix(b.aborted[i], want[i]) {
			t.Errorf("aborted %s, want %s", b.aborted[i], want[i])
		}
	}
	left, _, err := w.bucket.ListUploads(t.Context(), "", 100)
	if err != nil || len(left) != 6 {
		t.Errorf("%d uploads are left, want those of the sweeps, of the other cluster, of unknown keys and the one that vanished: %v, %v", len(left), left, err)
	}
}

// What a live broker uploaded and did not commit is told with its age; it is no finding.
func TestOldUploadsOfLiveBrokersAreTold(t *testing.T) {
	w := newWorld(t)
	before := w.run(w.config())
	lost := kafka.ObjectID{Epoch: liveEpoch, Sequence: 900}
	w.put(lost, []byte("12345"))
	if r := w.run(w.config()); !r.Clean() || r.InFlight != before.InFlight+1 || r.OldInFlight != 0 {
		t.Errorf("%+v", r)
	}
	cfg := w.config()
	cfg.Clock = later{clock.System, 26 * time.Hour}
	if r := w.run(cfg); !r.Clean() || r.OldInFlight != before.InFlight+1 || r.OldestInFlight == "" || r.OldestInFlightAge.Round(time.Hour) != 26*time.Hour {
		t.Errorf("%+v", r)
	}
}
