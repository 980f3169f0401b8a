package objectverify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/objectstorage"
)

// maxUploads is how many are looked at in one run: stores that have more have them aborted by the next runs.
const maxUploads = 10_000

// walkUploads goes through the unfinished uploads of the cluster. They are no objects, no list shows them, and stores ask money for their parts.
func (v *Verifier) walkUploads(ctx context.Context) error {
	prefix := string(v.cfg.Cluster) + "/"
	uploads, more, err := v.cfg.Bucket.ListUploads(ctx, prefix, maxUploads)
	if err != nil {
		return fmt.Errorf("listing the unfinished uploads of %s in %s: %w", prefix, v.cfg.Bucket, err)
	}
	for _, u := range uploads {
		if err := v.explainUpload(ctx, u); err != nil {
			return err
		}
	}
	if more {
		return v.unchecked(ctx, "the unfinished uploads of "+prefix, fmt.Errorf("there are more than %d", maxUploads))
	}
	return nil
}

// explainUpload finds the reason of an upload: a job or a put that goes on, or a sweep that will abort it.
func (v *Verifier) explainUpload(ctx context.Context, u objectstorage.UnfinishedUpload) error {
	age := v.cfg.Clock.Now().Sub(u.Started)
	name := u.Key
	if name == "" {
		name = "(temp file) " + u.ID
	}
	v.count(func(r *Report) {
		r.Uploads++
		if r.OldestUpload == "" || age > r.OldestUploadAge {
			r.OldestUpload, r.OldestUploadAge = name, age
		}
	})
	text, repairable, err := v.judgeUpload(ctx, u, age)
	if err != nil || text == "" {
		return err
	}
	there, err := v.uploadIsThere(ctx, u) // it may have been completed or aborted since
	if err != nil {
		return v.unchecked(ctx, "whether the upload of "+name+" is still there", err)
	}
	if !there {
		return nil
	}
	v.found(Finding{Kind: Unfinished, Coordinator: -1, Key: name, Text: fmt.Sprintf("begun %s ago; %s", age.Round(time.Second), text)})
	if !repairable {
		return nil
	}
	v.count(func(r *Report) { r.RepairableUploads++ })
	if !v.cfg.Repair {
		return nil
	}
	if err := v.cfg.Bucket.AbortUpload(ctx, u); err != nil {
		return v.unchecked(ctx, "aborting the upload of "+name, err)
	}
	v.count(func(r *Report) { r.RepairedUploads++ })
	return nil
}

// judgeUpload says what is wrong with an upload, "" if it is explained. One younger than OldUpload is never aborted.
func (v *Verifier) judgeUpload(ctx context.Context, u objectstorage.UnfinishedUpload, age time.Duration) (text string, repairable bool, err error) {
	old := age > v.cfg.OldUpload
	if u.Key == "" {
		if old {
			return "no put lasts that long; its process lives, or the next start had removed it", true, nil
		}
		return "", false, nil
	}
	id, ok := kafka.ParseObjectKey(v.cfg.Cluster, u.Key)
	if !ok {
		return "no broker writes a key like this; see whose it is, and abort it by hand", false, nil
	}
	known, err := v.describe(ctx, []listed{{Info: objectstorage.Info{Key: u.Key}, id: id}})
	if err != nil {
		return "", false, v.unchecked(ctx, "why the upload of "+u.Key+" is there", err)
	}
	switch r := &known[0]; {
	case r.unissued:
		return fmt.Sprintf("no broker has had epoch %d; see whose it is, and abort it by hand", id.Epoch), false, nil
	case r.ending, r.SweepPlanned:
		v.count(func(r *Report) { r.SweepingUploads++ })
		return "", false, nil
	case !old: // of a job that goes on, or of a process that has not noticed that its epoch is fenced
		return "", false, nil
	case r.mayCommit:
		return "no job of a live broker lasts that long; the sweep of its epoch would abort it, once that is over", true, nil
	}
	return fmt.Sprintf("of the fenced epoch %d, whose sweeps are over", id.Epoch), true, nil
}

// uploadIsThere asks the store again.
func (v *Verifier) uploadIsThere(ctx context.Context, u objectstorage.UnfinishedUpload) (bool, error) {
	prefix := u.Key
	if prefix == "" {
		prefix = string(v.cfg.Cluster) + "/"
	}
	uploads, _, err := v.cfg.Bucket.ListUploads(ctx, prefix, maxUploads)
	return slices.ContainsFunc(uploads, func(other objectstorage.UnfinishedUpload) bool { return other.Key == u.Key && other.ID == u.ID }), err
}
