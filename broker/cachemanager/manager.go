package cachemanager

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/inkwell-project/inkwell/kafka"
)

// Manager is the Cache Manager of one broker.
type Manager struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	metrics *metrics
	cache   *cache
	pages   *pageList
	indexes *indexes
	readers readers

	ctx     context.Context
	cancel  context.CancelCauseFunc
	workers sync.WaitGroup

	// windowEntries counts the coordinates of all windows.
	windowEntries atomic.Int64

	// mu guards all below; held for map work only.
	mu         sync.RWMutex
	closed     bool
	partitions map[kafka.TopicIDPartition]*partition
	tails      map[int32]*tail
	swept      time.Time
}

// New makes a Manager. Nothing is asked of anyone before the first Fetch.
func New(cfg Config, deps Deps) (*Manager, error) {
	cfg.SetDefaults()
	err := cfg.Validate()
	if deps.Bucket == nil || deps.Coordinator == nil || deps.Buffers == nil {
		err = errors.Join(err, errors.New("cache manager: Bucket, Coordinator and Buffers are needed"))
	}
	if err != nil {
		return nil, err
	}
	m := &Manager{
		cfg: cfg, deps: deps, log: cfg.Logger.With("cluster", string(cfg.Cluster)),
		partitions: map[kafka.TopicIDPartition]*partition{},
		tails:      map[int32]*tail{},
		swept:      cfg.Clock.Now(),
	}
	m.ctx, m.cancel = context.WithCancelCause(context.Background())
	m.pages = newPageList(cfg.CoordinateCacheEntries / 2)
	m.indexes = newIndexes(m, cfg.CoordinateCacheEntries/2)
	m.readers.last = map[*partition]int64{}
	m.cache = newCache(m)
	m.metrics = newMetrics(cfg.Registerer, m)
	return m, nil
}

// Close ends parked fetches and the tails, waits for reads of object storage to end, and gives up what is cached. What answers still hold is theirs until
// their Release. Fetch and ObjectCommitted may still be called, and do nothing.
func (m *Manager) Close() error {
	m.mu.Lock()
	first := !m.closed
	m.closed = true
	m.mu.Unlock()
	m.cancel(kafka.ErrClosed)
	m.workers.Wait()
	if first {
		m.cache.clear()
	}
	return nil
}

// start runs f in a goroutine that Close waits for; false when the Manager is closed.
func (m *Manager) start(f func()) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return false
	}
	m.workers.Go(f)
	return true
}

// pin finds or makes p's state and keeps it from being forgotten until unpin.
func (m *Manager) pin(p *Partition) *partition {
	now := m.cfg.Clock.Now()
	m.mu.RLock()
	found := m.partitions[p.TopicIDPartition]
	if found != nil {
		found.pins.Add(1)
		found.used.Store(now.UnixMilli())
	}
	m.mu.RUnlock()
	if found != nil {
		return found
	}
	m.mu.Lock()
	found = m.partitions[p.TopicIDPartition]
	if found == nil {
		m.sweep(now)
		found = newPartition(m, p)
		m.partitions[p.TopicIDPartition] = found
	}
	found.pins.Add(1)
	found.used.Store(now.UnixMilli())
	m.mu.Unlock()
	return found
}

func (p *partition) unpin() { p.pins.Add(-1) }

// lookup returns nil for a partition of no interest.
func (m *Manager) lookup(id kafka.TopicIDPartition) *partition {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.partitions[id]
}

// sweep forgets partitions that nobody reads: those that are idle and, if there are too many, any. Called under mu.
func (m *Manager) sweep(now time.Time) {
	tooMany := len(m.partitions) >= m.cfg.MaxPartitions
	if !tooMany && now.Sub(m.swept) < m.cfg.PartitionIdle/4 {
		return
	}
	m.swept = now
	before := now.Add(-m.cfg.PartitionIdle).UnixMilli()
	for id, p := range m.partitions {
		if p.pins.Load() == 0 && (p.used.Load() < before || tooMany && len(m.partitions) >= m.cfg.MaxPartitions*3/4) {
			delete(m.partitions, id)
			p.forget()
		}
	}
}

// remove takes p out once its topic is deleted; those who hold it see that in its state.
func (m *Manager) remove(p *partition) {
	m.mu.Lock()
	if m.partitions[p.id] == p {
		delete(m.partitions, p.id)
	}
	m.mu.Unlock()
	p.forget()
}
