package pebblestore

import (
	"sync"
	"time"

	"github.com/inkwell-project/inkwell/internal/clock"
)

const (
	// damagePause is what whoever meets a damaged block waits: Pebble tries a merge of tables that failed again at once, for ever. It is short, for a reader may have others behind it.
	damagePause = 100 * time.Millisecond
	// damageInterval is how often the same is told again.
	damageInterval = time.Minute
)

// damagedFiles keeps damage that stays, and what else fails again and again, from being met, and told, thousands of times a second.
type damagedFiles struct {
	clock clock.Clock
	mu    sync.Mutex // guards told
	told  map[string]time.Time
}

func newDamagedFiles(c clock.Clock) *damagedFiles {
	return &damagedFiles{clock: c, told: map[string]time.Time{}}
}

// pause is called by the goroutine that met a damaged block, which holds no lock of Pebble's.
func (d *damagedFiles) pause() { <-d.clock.NewTimer(damagePause).C }

// tell says whether what is to be told, was not lately.
func (d *damagedFiles) tell(what string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.clock.Now()
	if at, ok := d.told[what]; ok && now.Sub(at) < damageInterval {
		return false
	}
	if len(d.told) > 1000 { // nobody reads so many
		clear(d.told)
	}
	d.told[what] = now
	return true
}
