package processes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/inkwell-project/inkwell/test/servers"
)

// smallDisk is a file system of so many MiB, in memory. resize changes that.
func smallDisk(t *testing.T, size string) (dir string, resize func(size string)) {
	dir = filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size)
	if errors.Is(err, syscall.EPERM) {
		t.Skip("only root may mount a small disk")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir, func(size string) {
		t.Helper()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size="+size); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFullDiskOfObjects: producers are refused and told to retry, readers go on, and with more room the same process goes on.
func TestFullDiskOfObjects(t *testing.T) {
	disk, resize := smallDisk(t, "8m")
	server := startKept(t, servers.Options{Dir: t.TempDir(), Store: "file://" + disk + "/objects"})
	l := loadUntilRefused(t, server)
	acked, _ := l.counts()
	l.verify(t, server.Listen)
	wantWords(t, server.LogTail(1<<20), "full")
	resize("64m")
	more := load(t, server.Listen, 1, uncompressed)
	more.awaitAcked(t, 500)
	more.stop()
	if err := server.Stop(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	t.Logf("%d records fitted", acked)
}

// TestFullDiskOfMetadata: the process ends, with a message and a code other than 0; with more room it starts again and has all that was acknowledged.
func TestFullDiskOfMetadata(t *testing.T) {
	disk, resize := smallDisk(t, "8m")
	server := startKept(t, servers.Options{Dir: t.TempDir(), Extra: []string{"--data", disk + "/data"}})
	createDrained(t, server)
	l := load(t, server.Listen, 2, uncompressed)
	l.awaitAcked(t, 2000)
	filler, err := os.Create(filepath.Join(disk, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 64<<10)
	for err == nil {
		_, err = filler.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	l.stop()
	fillMetadata(t, server)
	began := time.Now()
	select {
	case <-server.Ended():
		t.Logf("it ended %s after the first refusal", time.Since(began).Round(time.Millisecond))
	case <-time.After(time.Minute):
		t.Error("a node that cannot write its log must end")
	}
	wantWords(t, server.LogTail(2000), "inkwell dev: ", "--data", "no space left")
	if err := server.Stop(); err == nil {
		t.Error("a node that cannot write its log must end with a code other than 0")
	}
	if err := errors.Join(filler.Close(), os.Remove(filler.Name())); err != nil {
		t.Fatal(err)
	}
	resize("64m")
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.verify(t, server.Listen)
	if err := server.Stop(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
}

// fillMetadata commits offsets with long metadata until that is refused or the process ends.
func fillMetadata(t *testing.T, server *servers.Server) {
	t.Helper()
	c := client(t, server.Listen, kgo.RequestRetries(0))
	defer c.Close()
	admin := kadm.NewClient(c)
	for i := range 500 {
		offsets := kadm.Offsets{}
		for p := range int32(3) {
			offsets.Add(kadm.Offset{Topic: topic, Partition: p, At: 1, LeaderEpoch: -1, Metadata: strings.Repeat("x", 4000)})
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		committed, err := admin.CommitOffsets(ctx, fmt.Sprintf("group-%d", i), offsets)
		cancel()
		if err = errors.Join(err, committed.Error()); err != nil {
			t.Logf("commit %d: %v", i, err)
			return
		}
	}
	t.Error("6 MB of offsets fitted on a full disk")
}

var uncompressed = kgo.ProducerBatchCompression(kgo.NoCompression())

// loadUntilRefused writes until the server takes no more.
func loadUntilRefused(t *testing.T, server *servers.Server) *loader {
	t.Helper()
	createDrained(t, server)
	l := load(t, server.Listen, 2, uncompressed, kgo.ProduceRequestTimeout(2*time.Second))
	l.await(t, 1000, 100)
	l.stop()
	return l
}
