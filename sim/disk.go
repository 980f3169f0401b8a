package sim

import (
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// disk is one metadata node's. What was not synced may be gone after a crash, which may come at any write.
type disk struct {
	random *rand.Rand

	mu        sync.Mutex // guards what follows
	mem       *vfs.MemFS
	writes    int
	crashAt   int // that write and what follows is not done by this process; 0 for none
	crash     func()
	syncTakes time.Duration // of the log
	full      bool          // the log cannot be written
	paused    chan struct{} // closed at the end of a pause; nil outside
}

func newDisk(random *rand.Rand) *disk { return &disk{random: random, mem: vfs.NewCrashableMem()} }

// fs is what the current process sees.
func (d *disk) fs() vfs.FS {
	d.mu.Lock()
	defer d.mu.Unlock()
	of := d.mem
	return errorfs.Wrap(of, errorfs.InjectorFunc(func(op errorfs.Op) error { return d.before(of, op) }))
}

// bare is the disk without its faults.
func (d *disk) bare() *vfs.MemFS {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mem
}

// before is called for every operation. Only the Raft log's are held up: nobody waits for those with a lock in hand, so that virtual time goes on.
func (d *disk) before(of *vfs.MemFS, op errorfs.Op) error {
	if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
		return nil
	}
	isLog := strings.Contains(op.Path, "/log/")
	d.mu.Lock()
	if d.mem != of { // a process that is dead: what it does reaches nobody
		d.mu.Unlock()
		return nil
	}
	d.writes++
	var crash func()
	if d.crashAt > 0 && d.writes >= d.crashAt {
		d.crashAt, crash = 0, d.crash
	}
	takes, full, paused := d.syncTakes, d.full, d.paused
	d.mu.Unlock()
	if crash != nil {
		crash() // the disk as it is now is what the next process finds
		return nil
	}
	if !isLog {
		return nil
	}
	if paused != nil {
		<-paused
	}
	switch op.Kind {
	case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
		if takes > 0 {
			time.Sleep(takes)
		}
	case errorfs.OpFileWrite, errorfs.OpFileWriteAt, errorfs.OpCreate, errorfs.OpFilePreallocate:
		if full {
			return syscall.ENOSPC
		}
	}
	return nil
}

// cut gives the next process the disk as a crash leaves it: keep is the share of unsynced data that survives, in percent.
func (d *disk) cut(keep int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mem = d.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: keep, RNG: d.random})
	d.crashAt = 0
}

// crashSoon calls f before one of the next writes; a nil f takes that back.
func (d *disk) crashSoon(within int, f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f == nil {
		d.crashAt = 0
		return
	}
	d.crashAt, d.crash = d.writes+1+d.random.IntN(within), f
}

// crashAtWrite calls f before the nth write from now on.
func (d *disk) crashAtWrite(nth int, f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.crashAt, d.crash = d.writes+nth, f
}

func (d *disk) set(syncTakes time.Duration, full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.syncTakes, d.full = syncTakes, full
}

func (d *disk) pause() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.paused == nil {
		d.paused = make(chan struct{})
	}
}

func (d *disk) resume() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.paused != nil {
		close(d.paused)
		d.paused = nil
	}
}
