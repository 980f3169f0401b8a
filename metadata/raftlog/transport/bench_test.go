package transport

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// keeper keeps the last command.
type keeper struct{}

func (keeper) Apply(tx statestore.Tx, _ uint64, command []byte) (any, []raftlog.Record, error) {
	tx.Set([]byte("k"), command)
	return nil, nil, nil
}

// three is three nodes on loopback, with real disks, and groups on all of them.
func three(b *testing.B, groups int) ([]*raftlog.Node, [][]raftlog.Log, []*Transport) {
	addresses := map[int32]string{}
	var listeners []net.Listener
	for id := range int32(3) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		listeners = append(listeners, l)
		addresses[id] = l.Addr().String()
	}
	var nodes []*raftlog.Node
	var transports []*Transport
	for id := range int32(3) {
		t, err := New(Config{ClusterID: "m", NodeID: id, Secret: []byte("s"), Listener: listeners[id], Rand: rand.New(rand.NewPCG(uint64(id), 1))})
		if err != nil {
			b.Fatal(err)
		}
		n, err := raftlog.Open(raftlog.Config{NodeID: id, Dir: b.TempDir(), Transport: t, Rand: rand.New(rand.NewPCG(uint64(id), 2))})
		if err != nil {
			b.Fatal(err)
		}
		t.SetPeers(addresses)
		t.Start(n)
		b.Cleanup(func() { t.Close(); n.Close() })
		nodes, transports = append(nodes, n), append(transports, t)
	}
	logs := make([][]raftlog.Log, 3)
	for id := range uint64(groups) {
		first := int32(id % 3)
		for i, n := range nodes {
			l, err := n.StartGroup(raftlog.GroupConfig{ID: id + 1, Name: fmt.Sprint("t-", id), Machine: keeper{}, Voters: []int32{first, (first + 1) % 3, (first + 2) % 3}})
			if err != nil {
				b.Fatal(err)
			}
			logs[i] = append(logs[i], l)
		}
	}
	return nodes, logs, transports
}

// lead waits until somebody among nodes leads the group, and returns its log.
func lead(logs [][]raftlog.Log, group int, nodes ...int) raftlog.Log {
	for {
		for _, i := range nodes {
			if logs[i][group].Leadership().IsLeader {
				return logs[i][group]
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkIdle is the processor time that 700 groups on each of three nodes cost while nothing happens, and the memory that they take.
func BenchmarkIdle(b *testing.B) {
	_, logs, _ := three(b, 700)
	for g := range 700 {
		if _, err := lead(logs, g, 0, 1, 2).Propose(context.Background(), []byte("x")); err != nil {
			b.Fatal(err)
		}
	}
	time.Sleep(5 * time.Second)
	runtime.GC()
	b.ResetTimer()
	used, began := cpu(), time.Now()
	for b.Loop() {
		time.Sleep(5 * time.Second)
	}
	b.ReportMetric(100*float64(cpu()-used)/float64(time.Since(began)), "%core")
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapAlloc)/3/(1<<20), "MiB/node")
}

// BenchmarkCommit is one proposal after the other, and 256 at a time, over loopback with three disks that are one.
func BenchmarkCommit(b *testing.B) {
	for _, callers := range []int{1, 256} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			_, logs, _ := three(b, 1)
			l := lead(logs, 0, 0, 1, 2)
			command := make([]byte, 200)
			b.ResetTimer()
			var all sync.WaitGroup
			for c := range callers {
				all.Go(func() {
					for i := c; i < b.N; i += callers {
						if _, err := l.Propose(context.Background(), command); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
		})
	}
}

// BenchmarkFailover cuts off a node that leads a third of 700 resting groups: the time until those accept commands again.
func BenchmarkFailover(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		_, logs, transports := three(b, 700)
		for g := range 700 {
			lead(logs, g, 0, 1, 2)
		}
		time.Sleep(5 * time.Second)
		b.StartTimer()
		began := time.Now()
		transports[0].Close()
		var all sync.WaitGroup
		took := make([]time.Duration, 700)
		for g := range 700 {
			all.Go(func() {
				for {
					if _, err := lead(logs, g, 1, 2).Propose(context.Background(), []byte("x")); err == nil {
						took[g] = time.Since(began)
						return
					}
				}
			})
		}
		all.Wait()
		slices.Sort(took)
		led := took[466:] // by the node that ended: the others went on
		b.ReportMetric(led[len(led)/2].Seconds(), "median-s")
		b.ReportMetric(led[len(led)-1].Seconds(), "max-s")
	}
}
