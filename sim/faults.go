package sim

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/faulty"
)

// fault breaks something for about d and returns what ends it.
type fault struct {
	name   string
	weight int
	do     func(w *World, r *rand.Rand, d time.Duration) (undo func())
}

var faults = []fault{
	{"kill a node", 4, killNode},
	{"kill a node at a write", 4, killNodeAtWrite},
	{"kill a node at a message", 2, killNodeAtMessage},
	{"kill several", 3, killSeveral},
	{"restart a node", 1, restartNode},
	{"pause a node", 2, func(w *World, r *rand.Rand, _ time.Duration) func() { return pauseProcess(w.someNode(r).process) }},
	{"slow disk", 2, slowDisk},
	{"full disk", 1, fullDisk},
	{"clock jump", 2, clockJump},
	{"kill a broker", 4, killBroker},
	{"kill a broker at a call", 4, killBrokerAtCall},
	{"kill a broker at a message", 3, killBrokerAtMessage},
	{"restart a broker", 1, restartBroker},
	{"pause a broker", 3, func(w *World, r *rand.Rand, _ time.Duration) func() { return pauseProcess(w.someBroker(r).process) }},
	{"raft messages", 4, messageFaults},
	{"cut", 5, cutLink},
	{"cut off", 3, cutOff},
	{"slow link", 2, slowLink},
	{"reset", 4, resetConnections},
	{"store errors", 4, storeErrors},
	{"store hangs", 2, storeHangs},
	{"store cut", 2, storeCut},
}

// crashes are the faults of a plan of crashes.
var crashes = []fault{{"kill a broker", 1, killBroker}, {"kill a broker at a call", 3, killBrokerAtCall}, {"kill a broker at a message", 2, killBrokerAtMessage}}

// breakThings injects faults until ctx ends, with quiet times between them, and says how many.
func (w *World) breakThings(ctx context.Context) (n int) {
	r := w.source.Rand("faults")
	faults, pause, longest := faults, 1500*time.Millisecond, 3*time.Second
	if w.plan.Crashes {
		faults, pause, longest = crashes, 300*time.Millisecond, 400*time.Millisecond
	}
	total := 0
	for _, f := range faults {
		total += f.weight
	}
	for sleep(ctx, time.Duration(r.Int64N(int64(pause)))) == nil {
		at := r.IntN(total)
		for _, f := range faults {
			if at -= f.weight; at >= 0 {
				continue
			}
			d := 50*time.Millisecond + time.Duration(r.Int64N(int64(longest)))
			if r.IntN(4) == 0 && !w.plan.Crashes {
				d += time.Duration(r.Int64N(int64(15 * time.Second)))
			}
			n++
			w.trace.Add("FAULT", f.name, d)
			undo := f.do(w, r, d)
			if undo != nil {
				w.running.Go(func() {
					_ = sleep(ctx, d) // at the end of ctx everything is healed
					w.trace.Add("end of fault", f.name)
					undo()
				})
			}
			break
		}
	}
	return n
}

// someNode may be the guest when that was started.
func (w *World) someNode(r *rand.Rand) *metadataNode {
	nodes := w.nodes
	if w.guest != nil && w.guest.hasStarted() {
		nodes = w.everyNode()
	}
	return nodes[r.IntN(len(nodes))]
}

func (w *World) someCluster(r *rand.Rand) *cluster { return w.clusters[r.IntN(len(w.clusters))] }

func (w *World) someBroker(r *rand.Rand) *brokerServer {
	c := w.someCluster(r)
	return c.brokers[r.IntN(len(c.brokers))]
}

// keep is how much of what was not synced survives a crash: nothing, or everything (the process died and the machine did not). Pebble trusts file
// systems to keep the creations of one folder in order, which a share of directory entries drawn at random would not.
func keep(r *rand.Rand) int { return []int{0, 0, 100}[r.IntN(3)] }

func killNode(w *World, r *rand.Rand, _ time.Duration) func() {
	n := w.someNode(r)
	n.kill(r.IntN(2) == 0, keep(r))
	return n.start
}

func killNodeAtWrite(w *World, r *rand.Rand, _ time.Duration) func() {
	n := w.someNode(r)
	powerOff, kept := r.IntN(2) == 0, keep(r)
	n.disk.crashSoon(40, func() { w.cutDown(powerOff, kept, n.process) })
	return n.start
}

// killSeveral is a power cut of a rack: at one moment, or at one of the next writes of one of its nodes.
func killSeveral(w *World, r *rand.Rand, _ time.Duration) func() {
	kept, first := keep(r), w.someNode(r)
	down := []*process{first.process}
	for _, n := range w.nodes {
		if n != first && r.IntN(3) > 0 {
			down = append(down, n.process)
		}
	}
	for _, c := range w.clusters {
		for _, b := range c.brokers {
			if r.IntN(3) == 0 {
				down = append(down, b.process)
			}
		}
	}
	cut := func() { w.cutDown(true, kept, down...) }
	if r.IntN(2) == 0 {
		cut()
	} else {
		first.disk.crashSoon(40, cut)
	}
	return func() {
		for _, p := range down {
			p.start()
		}
	}
}

func killNodeAtMessage(w *World, r *rand.Rand, _ time.Duration) func() {
	n := w.someNode(r)
	powerOff, kept := r.IntN(2) == 0, keep(r)
	w.net.CrashSoon(n.host, 1+r.IntN(100), func() { w.cutDown(powerOff, kept, n.process) })
	return n.start
}

// cutDown kills processes when a fault comes to its moment. The one that heals starts what is down; a moment that comes just then must not leave anything down for ever.
func (w *World) cutDown(powerOff bool, kept int, list ...*process) {
	for _, p := range list {
		p.kill(powerOff, kept)
	}
	for _, p := range list {
		if w.healed.Load() {
			p.start()
		}
	}
}

// dieAndStart kills a process when it is called, and starts it again some time later.
func (w *World) dieAndStart(p *process, powerOff bool, d time.Duration) func() {
	return func() {
		p.kill(powerOff, 0)
		w.running.Go(func() {
			time.Sleep(d)
			p.start()
		})
	}
}

func killBrokerAtCall(w *World, r *rand.Rand, d time.Duration) func() {
	b := w.someBroker(r)
	b.store.crashSoon(1+r.IntN(8), r.IntN(2) == 0, w.dieAndStart(b.process, r.IntN(2) == 0, d))
	return nil
}

func killBrokerAtMessage(w *World, r *rand.Rand, d time.Duration) func() {
	b := w.someBroker(r)
	w.net.CrashSoon(b.host, 1+r.IntN(60), w.dieAndStart(b.process, r.IntN(2) == 0, d))
	return nil
}

func restartNode(w *World, r *rand.Rand, _ time.Duration) func() {
	n := w.someNode(r)
	w.running.Go(func() {
		n.stop()
		n.start()
	})
	return nil
}

func pauseProcess(p *process) func() {
	p.pause()
	return p.resume
}

func slowDisk(w *World, r *rand.Rand, _ time.Duration) func() {
	n := w.someNode(r)
	n.disk.set(time.Duration(r.Int64N(int64(300*time.Millisecond))), false)
	return func() { n.disk.set(0, false) }
}

func fullDisk(w *World, r *rand.Rand, _ time.Duration) func() {
	n := w.someNode(r)
	n.disk.set(0, true)
	return func() { n.disk.set(0, false) }
}

func clockJump(w *World, r *rand.Rand, _ time.Duration) func() {
	p := w.someNode(r).process
	if r.IntN(2) == 0 {
		p = w.someBroker(r).process
	}
	p.jump(time.Duration(r.Int64N(int64(40*time.Second))) - 20*time.Second)
	return nil
}

func killBroker(w *World, r *rand.Rand, _ time.Duration) func() {
	b := w.someBroker(r)
	b.kill(r.IntN(2) == 0, 0)
	return b.start
}

func restartBroker(w *World, r *rand.Rand, _ time.Duration) func() {
	b := w.someBroker(r)
	w.running.Go(func() {
		b.stop()
		b.start()
	})
	return nil
}

// somePair of hosts that talk with each other.
func (w *World) somePair(r *rand.Rand) (a, b string) {
	if r.IntN(3) == 0 && len(w.nodes) > 1 {
		i := r.IntN(len(w.nodes))
		j := (i + 1 + r.IntN(len(w.nodes)-1)) % len(w.nodes)
		return w.nodes[i].host, w.nodes[j].host
	}
	return w.someBroker(r).host, w.someNode(r).host
}

func cutLink(w *World, r *rand.Rand, _ time.Duration) func() {
	a, b := w.somePair(r)
	way := r.IntN(4)
	w.trace.Add("cut", a, b, []string{"both ways", "both ways", "one way", "the other way"}[way])
	if way != 3 {
		w.net.Cut(a, b)
	}
	if way != 2 {
		w.net.Cut(b, a)
	}
	return w.net.Heal
}

// cutOff cuts one server off from all others: nothing reaches it, or nothing comes from it, or both.
func cutOff(w *World, r *rand.Rand, _ time.Duration) func() {
	host := w.someNode(r).host
	if r.IntN(3) == 0 {
		host = w.someBroker(r).host
	}
	way := r.IntN(3)
	w.trace.Add("cut off", host, []string{"nothing reaches it", "nothing comes from it", "both"}[way])
	for _, p := range w.allProcesses() {
		if p.host == host {
			continue
		}
		if way != 1 {
			w.net.Cut(p.host, host)
		}
		if way != 0 {
			w.net.Cut(host, p.host)
		}
	}
	return w.net.Heal
}

func (w *World) allProcesses() []*process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.processes)
}

func slowLink(w *World, r *rand.Rand, _ time.Duration) func() {
	a, b := w.somePair(r)
	w.net.Slow(a, b, time.Duration(r.Int64N(int64(2*time.Second))))
	return w.net.Heal
}

func resetConnections(w *World, r *rand.Rand, _ time.Duration) func() {
	a, b := w.somePair(r)
	if c := w.someCluster(r); r.IntN(2) == 0 {
		p := r.Int32N(c.count)
		a, b = w.producerHost(c, p, 0), c.brokers[r.IntN(len(c.brokers))].host
	}
	w.trace.Add("reset", a, b)
	w.net.Reset(a, b)
	return nil
}

func storeErrors(w *World, r *rand.Rand, _ time.Duration) func() {
	c := w.someCluster(r)
	ops := []faulty.Op{faulty.Any, faulty.Put, faulty.Put, faulty.Get, faulty.List, faulty.Delete}
	f := faulty.Fault{Err: []error{objectstorage.ErrThrottled, faulty.ErrInjected}[r.IntN(2)], Lost: r.IntN(2) == 0}
	times := []int{1, 3, -1}[r.IntN(3)]
	c.store.Inject(faulty.Rule{Op: ops[r.IntN(len(ops))], Nth: 1 + r.IntN(5), Times: times, Fault: f})
	return func() { w.healStore(c) }
}

func storeHangs(w *World, r *rand.Rand, _ time.Duration) func() {
	c := w.someCluster(r)
	f := faulty.Fault{Hang: true, Lost: r.IntN(2) == 0}
	if r.IntN(2) == 0 {
		f = faulty.Fault{Late: faulty.Latency{Min: time.Second, Max: 12 * time.Second}}
	}
	c.store.Inject(faulty.Rule{Op: []faulty.Op{faulty.Any, faulty.Put, faulty.Get}[r.IntN(3)], Times: []int{1, 2, -1}[r.IntN(3)], Fault: f})
	return func() { w.healStore(c) }
}

func storeCut(w *World, r *rand.Rand, _ time.Duration) func() {
	b := w.someBroker(r)
	b.store.cut.Store(true)
	return func() { b.store.cut.Store(false) }
}

func (w *World) healStore(c *cluster) { c.store.Heal() }

// heal ends all faults and starts what is down.
func (w *World) heal() {
	w.healed.Store(true)
	w.net.Heal()
	for _, n := range w.everyNode() {
		w.net.CrashSoon(n.host, 0, nil)
		n.disk.crashSoon(0, nil)
		n.disk.set(0, false)
		n.raft.set(0, 0)
		n.resume()
		if n != w.guest || n.hasStarted() {
			n.start()
		}
	}
	for _, c := range w.clusters {
		w.healStore(c)
		for _, b := range c.brokers {
			b.store.cut.Store(false)
			b.store.crashSoon(0, false, nil)
			w.net.CrashSoon(b.host, 0, nil)
			b.resume()
			b.start()
		}
	}
}
