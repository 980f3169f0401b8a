package objectstorage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/inkwell-project/inkwell/internal/clock"
)

// deletePage is how many keys one delete request has at most. It is S3's bound.
const deletePage = 1000

// Retrying repeats what may succeed when it is repeated, and measures each request. Its Close closes inner.
func Retrying(inner Bucket, cfg RetryConfig) (Bucket, error) {
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	m, err := newMetrics(cfg.Registerer, cfg.Clock)
	if err != nil {
		return nil, err
	}
	return &retrying{inner: inner, cfg: cfg, metrics: m}, nil
}

type retrying struct {
	inner   Bucket
	cfg     RetryConfig
	metrics *metrics
}

// PutIfAbsent sends the same bytes again until the outcome is known. After a request whose outcome is unknown, a taken
// key may hold our own bytes: only a comparison tells.
func (r *retrying) PutIfAbsent(ctx context.Context, key string, body [][]byte) error {
	bytes := BodyBytes(body)
	unknown := false
	return r.repeat(ctx, opPut, key, func(ctx context.Context) error {
		err := r.once(ctx, opPut, bytes, func(ctx context.Context) error { return r.inner.PutIfAbsent(ctx, key, body) })
		switch {
		case err == nil:
			return nil
		case errors.Is(err, ErrExists) && unknown:
			return r.settle(ctx, key, body, err)
		case errors.Is(err, ErrExists), errors.Is(err, ErrInvalidKey):
			return err
		case errors.Is(err, ErrDenied) && unknown:
			// This request was refused for certain, an earlier one may have been stored: not the ErrDenied that
			// promises that nothing is there.
			return final{fmt.Errorf("%v; an earlier request may have stored the object", err)}
		case errors.Is(err, ErrNotFound): // of the bucket or a folder; for a put it says nothing about the object
			err = fmt.Errorf("%v", err)
		}
		unknown = unknown || !errors.Is(err, ErrDenied)
		return err
	})
}

// settle answers a put that found its key taken after a request of unknown outcome: nil for our own bytes, refused for
// others. When the comparison fails the outcome stays unknown, and another put finds out.
func (r *retrying) settle(ctx context.Context, key string, body [][]byte, refused error) error {
	same, err := SameContent(ctx, attempts{r}, key, body)
	switch {
	case errors.Is(err, ErrThrottled): // not another's ErrNotFound, which would say something of the put
		return fmt.Errorf("the key is taken, perhaps by our own earlier request; comparing failed: %w", err)
	case err != nil:
		return fmt.Errorf("the key is taken, perhaps by our own earlier request; comparing failed: %v", err)
	case same:
		return nil
	}
	return fmt.Errorf("other bytes: %w", refused)
}

// GetRange asks once more after a short read: an object does not change, so the store may have had a fault of the
// moment. If it says the same again the object is too short.
func (r *retrying) GetRange(ctx context.Context, key string, offset int64, dst []byte) error {
	short := 0
	return r.repeat(ctx, opGet, key, func(ctx context.Context) error {
		err := attempts{r}.GetRange(ctx, key, offset, dst)
		if errors.Is(err, ErrShortRead) {
			if short++; short > 1 {
				return final{err}
			}
		}
		return err
	})
}

func (r *retrying) Head(ctx context.Context, key string) (info Info, err error) {
	err = r.repeat(ctx, opHead, key, func(ctx context.Context) (err error) {
		info, err = attempts{r}.Head(ctx, key)
		return err
	})
	return info, err
}

func (r *retrying) List(ctx context.Context, prefix, startAfter string, max int) (infos []Info, err error) {
	err = r.repeat(ctx, opList, prefix, func(ctx context.Context) error {
		return r.once(ctx, opList, 0, func(ctx context.Context) (err error) {
			infos, err = r.inner.List(ctx, prefix, startAfter, max)
			return err
		})
	})
	return infos, err
}

// DeleteMany asks again only for the keys that failed, page by page: what is gone stays gone, and one bad key neither
// stops nor repeats the others.
func (r *retrying) DeleteMany(ctx context.Context, keys []string) []error {
	errs := make([]error, len(keys))
	for from := 0; from < len(keys); from += deletePage {
		to := min(from+deletePage, len(keys))
		r.deletePage(ctx, keys[from:to], errs[from:to])
	}
	return errs
}

func (r *retrying) deletePage(ctx context.Context, keys []string, errs []error) {
	open := make([]int, len(keys)) // indices that are not settled
	for i := range open {
		open[i] = i
	}
	err := r.repeat(ctx, opDelete, keys[0], func(ctx context.Context) error {
		asked := make([]string, len(open))
		for i, at := range open {
			asked[i] = keys[at]
		}
		return r.once(ctx, opDelete, 0, func(ctx context.Context) error {
			var again []int
			var worst error
			for i, err := range r.inner.DeleteMany(ctx, asked) {
				errs[open[i]] = err
				if err != nil && (worst == nil || !retriable(worst)) {
					worst = err
				}
				if retriable(err) {
					again = append(again, open[i])
				}
			}
			open = again
			return worst
		})
	})
	if err != nil && ctx.Err() != nil { // perhaps before the first request
		for _, at := range open {
			if errs[at] == nil {
				errs[at] = err
			}
		}
	}
}

func (r *retrying) String() string { return r.inner.String() }

func (r *retrying) Close() error { return r.inner.Close() }

// attempts is the bucket with one measured request for each call.
type attempts struct{ *retrying }

func (a attempts) GetRange(ctx context.Context, key string, offset int64, dst []byte) error {
	return a.once(ctx, opGet, int64(len(dst)), func(ctx context.Context) error { return a.inner.GetRange(ctx, key, offset, dst) })
}

func (a attempts) Head(ctx context.Context, key string) (info Info, err error) {
	err = a.once(ctx, opHead, 0, func(ctx context.Context) (err error) {
		info, err = a.inner.Head(ctx, key)
		return err
	})
	return info, err
}

// once makes one request with a deadline of its own.
func (r *retrying) once(ctx context.Context, op op, bytes int64, call func(context.Context) error) error {
	done := r.metrics.begin(op)
	attempt, stop := withTimeout(ctx, r.cfg.Clock, r.cfg.AttemptTimeout)
	err := call(attempt)
	if err != nil && attempt.Err() != nil && errors.Is(err, attempt.Err()) {
		err = context.Cause(attempt) // says which deadline it was
	}
	stop()
	done(err, bytes)
	spend(ctx, op, bytes, err)
	return err
}

// repeat calls until it succeeds, fails for good, or a bound is reached.
func (r *retrying) repeat(caller context.Context, op op, key string, call func(context.Context) error) error {
	ctx, stop := withTimeout(caller, r.cfg.Clock, r.cfg.TotalTimeout)
	defer stop()
	for attempt := 1; ; attempt++ {
		if ctx.Err() != nil {
			return fmt.Errorf("%s %s: %w", op, key, context.Cause(ctx))
		}
		err := call(ctx)
		if err == nil || !retriable(err) {
			return err
		}
		if attempt == r.cfg.Attempts || ctx.Err() != nil {
			return fmt.Errorf("%s %s: request %d of %d: %w", op, key, attempt, r.cfg.Attempts, err)
		}
		wait := r.backoff(attempt)
		r.cfg.Logger.LogAttrs(ctx, levelWarn, "object store request failed, repeating it", retryAttrs(op, key, attempt, wait, err)...)
		if clock.Sleep(ctx, r.cfg.Clock, wait) != nil {
			return fmt.Errorf("%s %s: %w, after %v", op, key, context.Cause(ctx), err)
		}
		if op == opPut {
			putRepeats(ctx)
		}
	}
}

func (r *retrying) backoff(attempt int) time.Duration {
	d := r.cfg.BaseBackoff
	for i := 1; i < attempt && d < r.cfg.MaxBackoff; i++ {
		d *= 2
	}
	d = min(d, r.cfg.MaxBackoff)
	return d - time.Duration(float64(d)/2*r.cfg.Rand())
}

// final marks an error that is not repeated whatever it is.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// retriable errors may go away by themselves, soon. ErrFull does not: it is the caller's to wait for space.
func retriable(err error) bool {
	if err == nil {
		return false
	}
	var f final
	for _, definite := range []error{ErrExists, ErrNotFound, ErrDenied, ErrFull, ErrNoBucket, ErrInvalidKey, ErrInvalidPart, ErrUpload, ErrClosed, context.Canceled} {
		if errors.Is(err, definite) {
			return false
		}
	}
	return !errors.As(err, &f)
}

// timeoutError is the cause of a ctx that this package ended.
type timeoutError struct{ after time.Duration }

func (e timeoutError) Error() string {
	return fmt.Sprintf("the object store did not answer within %v", e.after)
}
func (e timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// withTimeout is context.WithTimeout by a clock that is handed in.
func withTimeout(parent context.Context, c clock.Clock, d time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	timer := c.AfterFunc(d, func() { cancel(timeoutError{d}) })
	return ctx, func() {
		timer.Stop()
		cancel(nil)
	}
}
