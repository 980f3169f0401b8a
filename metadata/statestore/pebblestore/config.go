package pebblestore

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/inkwell-project/inkwell/internal/clock"
)

// Config says where the store is and how much memory it may use.
type Config struct {
	FS  vfs.FS
	Dir string
	// CacheBytes is the size of the block cache, default 32 MiB.
	CacheBytes int64
	// RowBytes bounds the single keys that are kept in memory for commands, default 16 MiB.
	RowBytes int64
	// MemTableBytes is how much is collected in memory before it is written as a table, default 16 MiB; two may exist at a time.
	MemTableBytes int64
	Clock         clock.Clock
	Logger        *slog.Logger
	// OnFatal is told when Pebble says that it cannot go on. The process must end: nothing more becomes durable.
	OnFatal func(error)
	// OnDamage is told of a file that does not hold what was written to it. Whoever reads what is damaged gets an error, too; what nobody reads is found by a
	// compaction, which then fails again and again. It must not call the store.
	OnDamage func(error)
}

// SetDefaults fills what is zero.
func (c *Config) SetDefaults() {
	if c.FS == nil {
		c.FS = vfs.Default
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = 32 << 20
	}
	if c.RowBytes == 0 {
		c.RowBytes = 16 << 20
	}
	if c.MemTableBytes == 0 {
		c.MemTableBytes = 16 << 20
	}
	if c.Clock == nil {
		c.Clock = clock.System
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.OnFatal == nil {
		c.OnFatal = func(error) {}
	}
	if c.OnDamage == nil {
		c.OnDamage = func(error) {}
	}
}

// Validate reports all mistakes at once.
func (c *Config) Validate() error {
	var errs []error
	if c.Dir == "" {
		errs = append(errs, errors.New("state store: the folder is not set"))
	}
	if c.CacheBytes < 1<<20 {
		errs = append(errs, fmt.Errorf("state store: a cache of %d bytes is too small: at least %d", c.CacheBytes, 1<<20))
	}
	if c.RowBytes < 1<<10 {
		errs = append(errs, fmt.Errorf("state store: %d bytes of rows are too few: at least %d", c.RowBytes, 1<<10))
	}
	if c.MemTableBytes < 1<<20 || c.MemTableBytes > 1<<30 {
		errs = append(errs, fmt.Errorf("state store: a memtable of %d bytes is out of bounds: %d to %d", c.MemTableBytes, 1<<20, 1<<30))
	}
	return errors.Join(errs...)
}
