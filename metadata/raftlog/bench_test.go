package raftlog

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// BenchmarkPropose is one node on a real disk: 200-byte commands by so many callers over so many groups.
func BenchmarkPropose(b *testing.B) {
	for _, c := range []struct{ callers, groups int }{{1, 1}, {16, 1}, {256, 1}, {256, 16}} {
		b.Run(fmt.Sprintf("callers=%d/groups=%d", c.callers, c.groups), func(b *testing.B) {
			dir := b.TempDir()
			n := openNode(b, vfs.Default, func(cfg *Config) { cfg.Dir = dir })
			defer n.Close()
			var groups []*group
			for i := range c.groups {
				groups = append(groups, n.startMachine(uint64(i+1), setter{}))
			}
			b.ResetTimer()
			var next atomic.Int64
			took := make([]time.Duration, b.N)
			var all sync.WaitGroup
			for range c.callers {
				all.Go(func() {
					command := make([]byte, 200)
					for {
						i := int(next.Add(1)) - 1
						if i >= b.N {
							return
						}
						began := time.Now()
						if _, err := groups[i%len(groups)].Propose(context.Background(), command); err != nil {
							b.Error(err)
						}
						took[i] = time.Since(began)
					}
				})
			}
			all.Wait()
			b.StopTimer()
			slices.Sort(took)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "proposals/s")
			b.ReportMetric(float64(took[b.N/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[b.N*99/100].Microseconds()), "p99-µs")
		})
	}
}

// setter is a state machine of one key and one record.
type setter struct{}

func (setter) Apply(tx statestore.Tx, index uint64, command []byte) (any, []Record, error) {
	tx.Set([]byte{byte(index), byte(index >> 8)}, command)
	return index, []Record{{TimestampMillis: int64(index), Value: command}}, nil
}

// BenchmarkStart is from an empty folder on a real disk to the first acknowledged command of 20 groups.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		dir := b.TempDir()
		n := openNode(b, vfs.Default, func(cfg *Config) { cfg.Dir = dir })
		for id := range uint64(20) {
			if _, err := n.startMachine(id+1, setter{}).Propose(context.Background(), nil); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		n.Close()
		b.StartTimer()
	}
}
