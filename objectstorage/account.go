package objectstorage

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Usage is what one purpose asked of the store with one kind of request. The kinds are those that stores have prices for: put (parts, begin and end of
// an upload count each), get (heads, too), list and delete.
type Usage struct {
	Purpose, Kind string
	Requests      int64 // each attempt: a store is paid for those that failed, too
	Bytes         int64 // of objects, written or read by attempts that succeeded
}

// Account is what a process asked of the store, by purpose and kind, since it began. It counts requests whose ctx names it, at the layer that repeats them
// (Retrying): of a bucket without that layer it sees nothing. It is a prometheus.Collector.
type Account struct {
	mu    sync.Mutex // guards usage
	usage map[[2]string]*Usage
}

type accountKey struct{}

// Context puts the requests of ctx to the account. A purpose that ctx has already (WithPurpose) is kept.
func (a *Account) Context(ctx context.Context, purpose string) context.Context {
	if Purpose(ctx) == "" {
		ctx = WithPurpose(ctx, purpose)
	}
	return context.WithValue(ctx, accountKey{}, a)
}

// Usage is a copy, in the order of purpose and kind.
func (a *Account) Usage() []Usage {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make([]Usage, 0, len(a.usage))
	for _, u := range a.usage {
		all = append(all, *u)
	}
	slices.SortFunc(all, func(x, y Usage) int {
		return cmp.Or(cmp.Compare(x.Purpose, y.Purpose), cmp.Compare(x.Kind, y.Kind))
	})
	return all
}

// spend counts one attempt.
func spend(ctx context.Context, op op, bytes int64, err error) {
	a, ok := ctx.Value(accountKey{}).(*Account)
	if !ok {
		return
	}
	if op == opHead {
		op = opGet
	}
	key := [2]string{Purpose(ctx), string(op)}
	a.mu.Lock()
	defer a.mu.Unlock()
	u := a.usage[key]
	if u == nil {
		if a.usage == nil {
			a.usage = map[[2]string]*Usage{}
		}
		u = &Usage{Purpose: key[0], Kind: key[1]}
		a.usage[key] = u
	}
	u.Requests++
	if err == nil {
		u.Bytes += bytes
	}
}

var (
	accountRequests = prometheus.NewDesc("inkwell_storage_account_requests_total",
		"Requests to the object store by purpose and kind, each attempt counted; `inkwell cluster cost` has a cluster's sum and its price.", []string{"purpose", "kind"}, nil)
	accountBytes = prometheus.NewDesc("inkwell_storage_account_bytes_total",
		"Bytes of objects that were written and read, by purpose and kind of request.", []string{"purpose", "kind"}, nil)
)

// Describe implements prometheus.Collector.
func (*Account) Describe(to chan<- *prometheus.Desc) {
	to <- accountRequests
	to <- accountBytes
}

// Collect implements prometheus.Collector.
func (a *Account) Collect(to chan<- prometheus.Metric) {
	for _, u := range a.Usage() {
		to <- prometheus.MustNewConstMetric(accountRequests, prometheus.CounterValue, float64(u.Requests), u.Purpose, u.Kind)
		to <- prometheus.MustNewConstMetric(accountBytes, prometheus.CounterValue, float64(u.Bytes), u.Purpose, u.Kind)
	}
}

// Bucket is inner with every request put to the account, for a purpose unless the caller's ctx has one.
func (a *Account) Bucket(inner Bucket, purpose string) Bucket {
	return &accountedBucket{Bucket: inner, account: a, purpose: purpose}
}

type accountedBucket struct {
	Bucket
	account *Account
	purpose string
}

func (b *accountedBucket) context(ctx context.Context) context.Context {
	return b.account.Context(ctx, b.purpose)
}

func (b *accountedBucket) PutIfAbsent(ctx context.Context, key string, body [][]byte) error {
	return b.Bucket.PutIfAbsent(b.context(ctx), key, body)
}

func (b *accountedBucket) StartUpload(ctx context.Context, key string, partBytes int) (Upload, error) {
	u, err := b.Bucket.StartUpload(b.context(ctx), key, partBytes)
	if err != nil {
		return nil, err
	}
	return &accountedUpload{u, b}, nil
}

func (b *accountedBucket) AbortUploads(ctx context.Context, prefix string) (int, error) {
	return b.Bucket.AbortUploads(b.context(ctx), prefix)
}

func (b *accountedBucket) GetRange(ctx context.Context, key string, offset int64, dst []byte) error {
	return b.Bucket.GetRange(b.context(ctx), key, offset, dst)
}

func (b *accountedBucket) Head(ctx context.Context, key string) (Info, error) {
	return b.Bucket.Head(b.context(ctx), key)
}

func (b *accountedBucket) List(ctx context.Context, prefix, startAfter string, max int) ([]Info, error) {
	return b.Bucket.List(b.context(ctx), prefix, startAfter, max)
}

func (b *accountedBucket) DeleteMany(ctx context.Context, keys []string) []error {
	return b.Bucket.DeleteMany(b.context(ctx), keys)
}

type accountedUpload struct {
	inner  Upload
	bucket *accountedBucket
}

func (u *accountedUpload) PutPart(ctx context.Context, number int, body [][]byte) error {
	return u.inner.PutPart(u.bucket.context(ctx), number, body)
}

func (u *accountedUpload) Complete(ctx context.Context, parts int) error {
	return u.inner.Complete(u.bucket.context(ctx), parts)
}

func (u *accountedUpload) Abort(ctx context.Context) error {
	return u.inner.Abort(u.bucket.context(ctx))
}

func (b *accountedBucket) ListUploads(ctx context.Context, prefix string, max int) (uploads []UnfinishedUpload, more bool, err error) {
	return b.Bucket.ListUploads(b.context(ctx), prefix, max)
}

func (b *accountedBucket) AbortUpload(ctx context.Context, u UnfinishedUpload) error {
	return b.Bucket.AbortUpload(b.context(ctx), u)
}
