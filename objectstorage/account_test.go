package objectstorage_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/faulty"
)

func usageText(a *objectstorage.Account) string {
	var lines []string
	for _, u := range a.Usage() {
		lines = append(lines, fmt.Sprintf("%s %s %d %d", u.Purpose, u.Kind, u.Requests, u.Bytes))
	}
	return strings.Join(lines, "\n")
}

func wantUsage(t *testing.T, a *objectstorage.Account, want ...string) {
	t.Helper()
	if got := usageText(a); got != strings.Join(want, "\n") {
		t.Fatalf("the account has\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// Two failed attempts, one whose answer is lost and the comparison that settles it: all of them are paid for.
func TestAccountCountsEachAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, account := newStore(t, objectstorage.RetryConfig{}), &objectstorage.Account{}
		b := account.Bucket(s.Bucket, "flush")
		s.faulty.Inject(faulty.Rule{Op: faulty.Put, Times: 2})
		s.faulty.Inject(faulty.Rule{Op: faulty.Put, Nth: 3, Fault: faulty.Fault{Lost: true}})
		if err := b.PutIfAbsent(t.Context(), "k", [][]byte{[]byte("12345678")}); err != nil {
			t.Fatal(err)
		}
		wantUsage(t, account, "flush get 2 8", "flush put 4 0") // a head and a read compare what is there
		if err := s.Bucket.GetRange(t.Context(), "k", 0, make([]byte, 3)); err != nil {
			t.Fatal(err)
		}
		wantUsage(t, account, "flush get 2 8", "flush put 4 0") // somebody else's
	})
}

// Each part of an upload is a put, its begin and end are, and a part that failed is another.
func TestAccountCountsUploads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, account := newStore(t, objectstorage.RetryConfig{}), &objectstorage.Account{}
		b := account.Bucket(s.Bucket, "other")
		ctx := objectstorage.WithPurpose(t.Context(), "merge")
		part := bytes.Repeat([]byte{1}, objectstorage.MinPartBytes)
		u, err := b.StartUpload(ctx, "k", len(part))
		if err != nil {
			t.Fatal(err)
		}
		s.faulty.Inject(faulty.Rule{Op: faulty.Put})
		for n := range 2 {
			if err := u.PutPart(ctx, n, [][]byte{part}); err != nil {
				t.Fatal(err)
			}
		}
		if err := u.Complete(ctx, 2); err != nil {
			t.Fatal(err)
		}
		wantUsage(t, account, fmt.Sprintf("merge put 5 %d", 2*len(part)))
	})
}

func TestAccountOfListsAndDeletes(t *testing.T) {
	s, account := newStore(t, objectstorage.RetryConfig{}), &objectstorage.Account{}
	b := account.Bucket(s.Bucket, "sweep")
	if _, err := b.List(t.Context(), "", "", 10); err != nil {
		t.Fatal(err)
	}
	if _, err := b.AbortUploads(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	keys := make([]string, 1001)
	for i := range keys {
		keys[i] = fmt.Sprintf("k%d", i)
	}
	for _, err := range b.DeleteMany(t.Context(), keys) {
		if err != nil {
			t.Fatal(err)
		}
	}
	wantUsage(t, account, "sweep delete 3 0", "sweep list 2 0")
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(account)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			got[f.GetName()+" "+m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] = m.GetCounter().GetValue()
		}
	}
	if len(got) != 4 || got["inkwell_storage_account_requests_total delete sweep"] != 3 || got["inkwell_storage_account_requests_total list sweep"] != 2 {
		t.Fatalf("metrics are %v", got)
	}
}
