package faulty_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/faulty"
	"github.com/inkwell-project/inkwell/objectstorage/memory"
	"github.com/inkwell-project/inkwell/objectstorage/objectstoragetest"
)

func TestConformanceWithoutFaults(t *testing.T) {
	objectstoragetest.Run(t, func(t *testing.T) objectstorage.Bucket {
		return faulty.New(memory.New(), faulty.Config{})
	})
}

func TestNthCallFails(t *testing.T) {
	inner := memory.New()
	b := faulty.New(inner, faulty.Config{})
	boom := errors.New("boom")
	b.FailNth(2, boom)
	b.Inject(faulty.Rule{Op: faulty.Put, Key: "x/", Nth: 2, Times: 2, Fault: faulty.Fault{Err: objectstorage.ErrThrottled}})
	ctx := t.Context()
	for i, want := range []struct {
		key string
		err error
	}{{"a", nil}, {"b", boom}, {"x/1", nil}, {"x/2", objectstorage.ErrThrottled}, {"y", nil}, {"x/3", objectstorage.ErrThrottled}, {"x/4", nil}} {
		if err := b.PutIfAbsent(ctx, want.key, nil); !errors.Is(err, want.err) {
			t.Errorf("call %d: %v, want %v", i+1, err, want.err)
		}
		_, err := inner.Head(ctx, want.key)
		if stored := err == nil; stored != (want.err == nil) {
			t.Errorf("call %d: stored is %v", i+1, stored)
		}
	}
	if b.Calls(faulty.Put) != 7 || b.Calls(faulty.Any) != 7 || b.Calls(faulty.Get) != 0 || b.Failed() != 3 {
		t.Errorf("counted %d, %d, %d, failed %d", b.Calls(faulty.Put), b.Calls(faulty.Any), b.Calls(faulty.Get), b.Failed())
	}
}

func TestLostAnswerIsStored(t *testing.T) {
	inner := memory.New()
	b := faulty.New(inner, faulty.Config{})
	b.LoseNth(1, nil)
	if err := b.PutIfAbsent(t.Context(), "k", [][]byte{[]byte("abc")}); !errors.Is(err, faulty.ErrInjected) {
		t.Fatal(err)
	}
	if _, err := inner.Head(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
}

func TestReadsThatLie(t *testing.T) {
	b := faulty.New(memory.New(), faulty.Config{})
	want := []byte("0123456789")
	if err := b.PutIfAbsent(t.Context(), "k", [][]byte{want}); err != nil {
		t.Fatal(err)
	}
	b.Inject(faulty.Rule{Op: faulty.Get, Fault: faulty.Fault{Short: true}})
	b.Inject(faulty.Rule{Op: faulty.Get, Nth: 2, Fault: faulty.Fault{Corrupt: true}})
	got := make([]byte, 10)
	if err := b.GetRange(t.Context(), "k", 0, got); !errors.Is(err, objectstorage.ErrShortRead) {
		t.Fatalf("short read: %v", err)
	}
	if err := b.GetRange(t.Context(), "k", 0, got); err != nil || bytes.Equal(got, want) {
		t.Fatalf("corrupt read: %v, %q", err, got)
	}
	if err := b.GetRange(t.Context(), "k", 0, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("good read: %v, %q", err, got)
	}
}

func TestPartialListAndDelete(t *testing.T) {
	b := faulty.New(memory.New(), faulty.Config{})
	keys := []string{"a", "b", "c", "d"}
	for _, k := range keys {
		if err := b.PutIfAbsent(t.Context(), k, nil); err != nil {
			t.Fatal(err)
		}
	}
	b.Inject(faulty.Rule{Op: faulty.List, Fault: faulty.Fault{Short: true}})
	b.Inject(faulty.Rule{Op: faulty.Delete, Fault: faulty.Fault{Short: true}})
	if infos, err := b.List(t.Context(), "", "", 10); err != nil || len(infos) != 2 {
		t.Fatalf("list: %v, %v", infos, err)
	}
	errs := b.DeleteMany(t.Context(), keys)
	if errs[0] != nil || errs[1] != nil || errs[2] == nil || errs[3] == nil {
		t.Fatalf("delete: %v", errs)
	}
	if infos, _ := b.List(t.Context(), "", "", 10); len(infos) != 2 || infos[0].Key != "c" {
		t.Fatalf("left: %v", infos)
	}
}

func TestLatencyAndHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := faulty.New(memory.New(), faulty.Config{
			Rand:    func() float64 { return 0.5 },
			Latency: map[faulty.Op]faulty.Latency{faulty.Put: {Min: 100 * time.Millisecond}, faulty.Any: {Min: 10 * time.Millisecond, Max: 30 * time.Millisecond}},
		})
		took := func(call func()) time.Duration {
			start := time.Now()
			call()
			return time.Since(start)
		}
		if d := took(func() { _ = b.PutIfAbsent(t.Context(), "k", nil) }); d != 100*time.Millisecond {
			t.Errorf("put took %v", d)
		}
		if d := took(func() { _, _ = b.Head(t.Context(), "k") }); d != 20*time.Millisecond {
			t.Errorf("head took %v", d)
		}
		b.Heal()
		b.Inject(faulty.Rule{Fault: faulty.Fault{Hang: true}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if d := took(func() {
			if _, err := b.Head(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("hanging call: %v", err)
			}
		}); d != time.Hour {
			t.Errorf("hung for %v", d)
		}
	})
}
