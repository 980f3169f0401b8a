package pebblestore

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A merge of tables that meets damage is tried again for ever. It must neither take a processor nor fill the log.
func TestDamageIsMetAndToldSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		s, err := Open(Config{FS: fs, Dir: "state"})
		if err != nil {
			t.Fatal(err)
		}
		sp := Space{Group: 1, Kind: 's'}
		table := func() {
			t.Helper()
			b := s.NewBatch()
			for i := range 10 {
				b.Tx(sp).Set(fmt.Append(nil, "k", i), []byte("v"))
			}
			b.Commit()
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		const untilMerged = 8 // tables that overlap
		for range untilMerged - 1 {
			table()
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		names, _ := fs.List("state")
		for _, name := range names {
			if strings.HasSuffix(name, ".sst") {
				flipBit(t, fs, "state/"+name)
			}
		}
		var log bytes.Buffer
		var met atomic.Int64
		s, err = Open(Config{FS: fs, Dir: "state", Logger: slog.New(slog.NewTextHandler(&log, nil)), OnDamage: func(error) { met.Add(1) }})
		if err != nil {
			t.Fatal(err)
		}
		table()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := met.Load(); n == 0 || n > 150 {
			t.Errorf("damage was met %d times in 10 seconds", n)
		}
		if n := strings.Count(log.String(), "\n"); n == 0 || n > 10 {
			t.Errorf("it was told in %d lines:\n%s", n, log.String())
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func flipBit(t *testing.T, fs vfs.FS, path string) {
	t.Helper()
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, 20); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b, 20); err != nil {
		t.Fatal(err)
	}
}
