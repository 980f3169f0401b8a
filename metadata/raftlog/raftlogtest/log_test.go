package raftlogtest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// register sets key "last" to each command and writes it as a record.
type register struct{}

func (register) Apply(tx statestore.Tx, index uint64, command []byte) (any, []raftlog.Record, error) {
	if string(command) == "bad" {
		return nil, nil, raftlog.ErrHalt
	}
	tx.Set([]byte("last"), command)
	return index, []raftlog.Record{{Key: []byte("k"), Value: command}}, nil
}

func last(l *Log) (s string) {
	l.View(func(r statestore.Reader) {
		v, _ := r.Get([]byte("last"))
		s = string(v)
	})
	return s
}

func TestProposeFaultsAndLeadership(t *testing.T) {
	ctx := context.Background()
	l := New(register{})
	if got, err := l.Propose(ctx, []byte("a")); err != nil || got != uint64(1) {
		t.Fatal(got, err)
	}
	l.Inject(Fault{}, Fault{Err: kerr.RequestTimedOut}, Fault{Err: kafka.ErrUnknownOutcome, Applied: true})
	for i, want := range []struct {
		err  error
		last string
	}{{nil, "b"}, {kerr.RequestTimedOut, "b"}, {kafka.ErrUnknownOutcome, "d"}} {
		if _, err := l.Propose(ctx, []byte{"bcd"[i]}); !errors.Is(err, want.err) || last(l) != want.last {
			t.Fatalf("proposal %d: %v, last %q", i, err, last(l))
		}
	}
	changed := l.LeadershipChanged()
	l.SetLeader(false)
	<-changed
	if _, err := l.Propose(ctx, []byte("e")); !errors.Is(err, kerr.NotCoordinator) {
		t.Fatal(err)
	}
	if err := l.ReadBarrier(ctx); !errors.Is(err, kerr.NotCoordinator) {
		t.Fatal(err)
	}
	l.SetLeader(true)
	if _, hw := l.Bounds(); hw != 3 || l.Leadership().Term != 3 {
		t.Fatal(hw, l.Leadership())
	}
	if rs, err := l.Read(1, 1); err != nil || len(rs) != 1 || rs[0].Offset != 1 || string(rs[0].Value) != "b" {
		t.Fatal(rs, err)
	}
	if _, err := l.Propose(ctx, []byte("bad")); err == nil {
		t.Fatal("a halted log went on")
	}
}

func TestHoldKeepsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(register{})
		l.Hold()
		errs := make(chan error, 2)
		for _, c := range []string{"a", "b"} {
			go func() {
				_, err := l.Propose(t.Context(), []byte(c))
				errs <- err
			}()
			synctest.Wait()
		}
		if len(errs) != 0 {
			t.Fatal("a held proposal ended")
		}
		go func() { errs <- l.Wait(t.Context(), 1) }()
		l.Release()
		for range 3 {
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
		if last(l) != "b" {
			t.Fatal(last(l))
		}
		l.Hold()
		go func() {
			_, err := l.Propose(t.Context(), []byte("c"))
			errs <- err
		}()
		synctest.Wait()
		l.SetLeader(false)
		if err := <-errs; !errors.Is(err, kafka.ErrUnknownOutcome) || last(l) != "b" {
			t.Fatal(err, last(l))
		}
	})
}
