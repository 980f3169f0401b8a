package compaction

import (
	"context"

	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/rpc"
)

// store is the bucket as one kind of job sees it: within the budgets, counted and labelled, so that requests and bytes can be put to the job's account.
type store struct {
	j    *Jobs
	kind rpc.WorkKind
}

// spend waits for the budgets.
func (s store) spend(ctx context.Context, op string, read, written int64) (context.Context, error) {
	if puts := s.j.cfg.Puts; puts != nil && op == "put" {
		began := s.j.cfg.Clock.Now()
		if err := puts.WaitJob(ctx); err != nil {
			return nil, context.Cause(ctx)
		}
		s.j.metrics.putWait.Add(s.j.cfg.Clock.Now().Sub(began).Seconds())
		ctx = objectstorage.WithPutRepeats(ctx, puts.TakeJob)
	}
	if err := s.j.requests.wait(ctx, 1); err != nil {
		return nil, context.Cause(ctx)
	}
	if err := s.j.bytes.wait(ctx, read+written); err != nil {
		return nil, context.Cause(ctx)
	}
	s.j.metrics.request(s.kind, op, read, written)
	return objectstorage.WithBackground(objectstorage.WithPurpose(ctx, s.kind.String())), nil
}

func (s store) get(ctx context.Context, key string, offset int64, dst []byte) error {
	ctx, err := s.spend(ctx, "get", int64(len(dst)), 0)
	if err != nil {
		return err
	}
	return s.j.cfg.Bucket.GetRange(ctx, key, offset, dst)
}

func (s store) put(ctx context.Context, key string, body []byte) error {
	ctx, err := s.spend(ctx, "put", 0, int64(len(body)))
	if err != nil {
		return err
	}
	return s.j.cfg.Bucket.PutIfAbsent(ctx, key, [][]byte{body})
}

func (s store) startUpload(ctx context.Context, key string) (objectstorage.Upload, error) {
	ctx, err := s.spend(ctx, "put", 0, 0)
	if err != nil {
		return nil, err
	}
	return s.j.cfg.Bucket.StartUpload(ctx, key, s.j.cfg.PartBytes)
}

func (s store) putPart(ctx context.Context, u objectstorage.Upload, number int, body []byte) error {
	ctx, err := s.spend(ctx, "put", 0, int64(len(body)))
	if err != nil {
		return err
	}
	return u.PutPart(ctx, number, [][]byte{body})
}

func (s store) complete(ctx context.Context, u objectstorage.Upload, parts int) error {
	ctx, err := s.spend(ctx, "put", 0, 0)
	if err != nil {
		return err
	}
	return u.Complete(ctx, parts)
}

func (s store) list(ctx context.Context, prefix, after string) ([]objectstorage.Info, error) {
	ctx, err := s.spend(ctx, "list", 0, 0)
	if err != nil {
		return nil, err
	}
	return s.j.cfg.Bucket.List(ctx, prefix, after, listPage)
}

func (s store) abortUploads(ctx context.Context, prefix string) error {
	ctx, err := s.spend(ctx, "list", 0, 0)
	if err != nil {
		return err
	}
	_, err = s.j.cfg.Bucket.AbortUploads(ctx, prefix)
	return err
}

// deleteMany is one request for each page of 1,000.
func (s store) deleteMany(ctx context.Context, keys []string) []error {
	labelled, err := s.spend(ctx, "delete", 0, 0)
	if err != nil {
		errs := make([]error, len(keys))
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	return s.j.cfg.Bucket.DeleteMany(labelled, keys)
}
