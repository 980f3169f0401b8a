package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/statestore/pebblestore/pebblestoretest"
	"github.com/inkwell-project/inkwell/objectstorage/faulty"
	"github.com/inkwell-project/inkwell/objectstorage/memory"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
)

// World is one run: every process, the network between them, and what clients saw.
type World struct {
	plan     Plan
	source   Source
	trace    *Trace
	net      *Network
	history  *History
	nodes    []*metadataNode
	guest    *metadataNode // joins later; nil for none
	clusters []*cluster    // complete before faults begin

	running sync.WaitGroup // everything that processes started
	ending  atomic.Bool    // nothing is started any more
	healed  atomic.Bool    // faults are over: what still falls is started again at once
	crashes atomic.Int64   // of brokers
	damaged atomic.Int64   // states of replicas, or logs of nodes
	differ  sync.Map       // groups, by id, of which one state was made another

	mu        sync.Mutex // guards what follows
	wrong     []string
	processes []*process // all there ever were
	stopWork  context.CancelFunc
}

// Result of a run.
type Result struct {
	Plan        Plan
	Trace       *Trace
	Violations  []string
	Acked, Seen int // values
	Consumed    int // by groups
	Faults      int
	Crashes     int // of brokers
	Damaged     int // states of replicas
	Objects     int // that were left in the stores, each with a coordinate that points at it
	Compared    int // states of replicas at the same index, in the end
	VirtualTime time.Duration
}

// longest is what no run takes, in virtual time.
const longest = time.Hour

// Run makes one run. It must be called in a testing/synctest bubble, where time is virtual.
func Run(plan Plan, echo io.Writer) *Result {
	w := &World{plan: plan, source: Source{plan.Seed}, trace: NewTrace(echo), history: NewHistory()}
	defer w.source.seedCryptoRand()()
	w.net = newNetwork(w.source, w.trace, plan.Latency, plan.GiveUp)
	began := time.Now()
	r := &Result{Plan: plan, Trace: w.trace}
	watchdog := time.AfterFunc(longest, func() {
		stacks := make([]byte, 4<<20)
		panic(fmt.Sprintf("seed %d stands still: %v\n%s\n%s", plan.Seed, w.wrong, w.trace.Last(100), stacks[:runtime.Stack(stacks, true)]))
	})
	defer watchdog.Stop()
	w.play(r)
	w.ending.Store(true)
	w.end()
	w.running.Wait()
	r.Acked, r.Seen = w.history.Counts()
	r.VirtualTime, r.Crashes = time.Since(began), int(w.crashes.Load())
	r.Violations = w.wrong
	return r
}

// play starts everything, breaks it for a while, heals it, and checks what is there.
func (w *World) play(r *Result) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), time.Minute, errors.New("a new system did not serve within a minute"))
	defer cancel()
	if err := w.build(ctx); err != nil {
		w.violation("start: %v", err)
		return
	}
	all, stop := context.WithCancel(context.Background())
	defer stop()
	w.mu.Lock()
	w.stopWork = stop
	w.mu.Unlock()
	produce, stopProducing := context.WithTimeout(all, w.plan.Duration)
	defer stopProducing()
	clients := w.startClients(all, produce)
	moved := make(chan error, 1)
	if w.guest != nil {
		clients.work.Go(func() { moved <- w.moveNodes(all) })
	} else {
		moved <- nil
	}
	if w.plan.Damage != pebblestoretest.None {
		clients.work.Go(func() { w.damageReplicas(produce) })
	}
	if w.plan.DamageLogs {
		clients.work.Go(func() { w.damageLogs(produce) })
	}
	r.Faults = w.breakThings(produce)
	<-produce.Done()
	w.heal()
	w.trace.Add("healed")
	settled, cancelSettled := context.WithTimeout(all, w.plan.Settle)
	defer cancelSettled()
	w.settle(settled, clients)
	if (w.plan.Damage != pebblestoretest.None || w.plan.DamageLogs) && !w.failed() {
		w.allWell(settled)
	}
	select {
	case err := <-moved:
		if err != nil && !w.failed() {
			w.violation("no progress: nodes did not move: %v", err)
		}
	case <-settled.Done():
	}
	stop()
	clients.work.Wait()
	select {
	case err := <-moved:
		if err != nil && !w.failed() {
			w.violation("no progress: %s after the last fault nodes still move: %v", w.plan.Settle, err)
		}
	default:
	}
	if w.failed() {
		return
	}
	for _, m := range clients.members {
		r.Consumed += m.consumed
	}
	if w.plan.Audit {
		w.audit(r)
	}
	r.Compared, r.Damaged = w.compareStates(), int(w.damaged.Load())
	w.readBack(clients)
	if w.plan.Empty > 0 && !w.failed() {
		w.emptyStore()
	}
}

func (w *World) metadataAddresses() (addresses []string) {
	for _, n := range w.nodes {
		addresses = append(addresses, n.address())
	}
	return addresses
}

// build starts nodes, clusters and brokers, and makes the topics.
func (w *World) build(ctx context.Context) error {
	shared := memory.New()
	for i := range w.plan.Clusters {
		c := &cluster{name: kafka.ClusterID(fmt.Sprintf("c%d", i+1)), topic: "orders", count: w.plan.Partitions}
		floats := w.source.Floats(string(c.name) + " store")
		inner := shared
		if !w.plan.SharedBucket {
			inner = memory.New()
		}
		c.memory = newRecorder(w, string(c.name), inner)
		c.store = faulty.New(c.memory, faulty.Config{Rand: floats, Latency: w.storeLatency()})
		for id := range w.plan.Brokers {
			c.brokers = append(c.brokers, w.newBroker(c, id))
		}
		w.clusters = append(w.clusters, c)
	}
	for id := range w.plan.MetadataNodes {
		w.nodes = append(w.nodes, w.newMetadataNode(id+1))
	}
	if w.plan.Guest {
		w.guest = w.newMetadataNode(w.plan.MetadataNodes + 1)
	}
	for _, n := range w.nodes { // one after the other: each joins those before
		n.start()
		if err := n.awaitServing(ctx); err != nil {
			return err
		}
	}
	admin := w.newAdmin()
	for _, c := range w.clusters {
		if err := w.create(ctx, admin, c); err != nil {
			return errors.Join(err, admin.Close())
		}
	}
	if err := admin.Close(); err != nil {
		return err
	}
	for _, c := range w.clusters {
		for _, b := range c.brokers {
			b.start()
		}
	}
	for _, c := range w.clusters {
		if err := w.createTopic(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) storeLatency() map[faulty.Op]faulty.Latency {
	return map[faulty.Op]faulty.Latency{faulty.Any: {Min: w.plan.StoreLatency / 2, Max: w.plan.StoreLatency * 3 / 2}}
}

func (w *World) create(ctx context.Context, admin *client.AdminClient, c *cluster) error {
	for {
		made, err := admin.CreateCluster(ctx, &rpc.CreateClusterRequest{Name: c.name, BatchCoordinators: w.plan.BatchCoordinator, GroupCoordinators: w.plan.GroupCoordinator})
		if err == nil {
			c.password = made.Password
			return nil
		}
		if sleep(ctx, 100*time.Millisecond) != nil {
			return fmt.Errorf("creating %s: %w", c.name, err)
		}
	}
}

func (w *World) createTopic(ctx context.Context, c *cluster) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(5)
	req.TimeoutMillis = 10_000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = c.topic, c.count, 1
	req.Topics = append(req.Topics, t)
	maker := w.newClient(string(c.name)+"-admin", c)
	defer maker.disconnect()
	_, err := until(ctx, maker, req, func(r *kmsg.CreateTopicsResponse) int16 {
		if code := r.Topics[0].ErrorCode; code != 36 { // TOPIC_ALREADY_EXISTS: an answer was lost
			return code
		}
		return 0
	})
	return err
}

// clients of a run.
type clients struct {
	work      sync.WaitGroup
	producers []*producer
	settled   chan bool // one from each producer
	members   []*member
}

func (w *World) producerHost(cl *cluster, partition int32, i int) string {
	return fmt.Sprintf("%s-producer%d.%d", cl.name, partition, i)
}

func (w *World) startClients(all, produce context.Context) *clients {
	c := &clients{settled: make(chan bool, 1000)}
	for _, cl := range w.clusters {
		for p := range cl.count {
			for i := range w.plan.Producers {
				pr := &producer{kafkaClient: w.newClient(w.producerHost(cl, p, i), cl), topic: cl.topic, partition: p}
				c.producers = append(c.producers, pr)
				c.work.Go(func() { c.settled <- pr.run(all, produce) })
			}
		}
		for i := range w.plan.Readers {
			r := &reader{kafkaClient: w.newClient(fmt.Sprintf("%s-reader%d", cl.name, i), cl), topic: cl.topic}
			c.work.Go(func() { r.run(produce, cl.count) })
		}
		for i := range w.plan.Deleters {
			d := &deleter{reader{kafkaClient: w.newClient(fmt.Sprintf("%s-deleter%d", cl.name, i), cl), topic: cl.topic}}
			c.work.Go(func() { d.run(produce, cl.count) })
		}
		for i := range w.plan.Members {
			m := &member{reader: reader{kafkaClient: w.newClient(fmt.Sprintf("%s-member%d", cl.name, i), cl), topic: cl.topic}, group: "g", partitions: cl.count}
			c.members = append(c.members, m)
			c.work.Go(func() { m.run(all) })
		}
	}
	return c
}

// settle waits until every producer knows the outcome of what it sent, and every group has read what there is.
func (w *World) settle(ctx context.Context, c *clients) {
	for range c.producers {
		select {
		case ok := <-c.settled:
			if !ok && !w.failed() {
				w.violation("no progress: a producer did not come to an end")
			}
		case <-ctx.Done():
			if !w.failed() {
				w.violation("no progress: %s after the last fault a producer still waits for an answer", w.plan.Settle)
			}
			return
		}
	}
	for _, cl := range w.clusters {
		for p := range cl.count {
			if w.plan.Members == 0 {
				continue
			}
			if err := w.caughtUp(ctx, cl, p); err != nil && !w.failed() {
				w.violation("no progress: %v", err)
				return
			}
		}
	}
}

// caughtUp waits until a group's committed offset is the end of a partition.
func (w *World) caughtUp(ctx context.Context, cl *cluster, partition int32) error {
	m := &member{reader: reader{kafkaClient: w.newClient(fmt.Sprintf("%s-lag%d", cl.name, partition), cl), topic: cl.topic}, group: "g"}
	defer m.disconnect()
	for {
		_, high, err := m.bounds(ctx, partition)
		var at int64
		if err == nil {
			var offsets map[int32]int64
			if offsets, err = m.committed(ctx, []int32{partition}); err == nil {
				if at = offsets[partition]; at >= high {
					return nil
				}
			}
		}
		if sleep(ctx, time.Second) != nil {
			return fmt.Errorf("%s after the last fault the group of %s has committed %d of %d records of partition %d: %w", w.plan.Settle, cl.name, at, high, partition, err)
		}
	}
}

// readBack reads everything through a broker with an empty cache, as a new reader after everything else.
func (w *World) readBack(*clients) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), w.plan.Settle, errors.New("reading back took too long"))
	defer cancel()
	for _, cl := range w.clusters {
		fresh := w.newBroker(cl, 100)
		fresh.start()
		cl.brokers = []*brokerServer{fresh}
		r := &reader{kafkaClient: w.newClient(string(cl.name)+"-final", cl), topic: cl.topic}
		for p := range cl.count {
			start, high, err := r.readAll(ctx, p)
			if err != nil {
				if !w.failed() {
					w.violation("no progress: %v", err)
				}
				return
			}
			w.check(w.history.End(r.where(p), start, high))
		}
		r.disconnect()
	}
}

// end stops all processes in order.
func (w *World) end() {
	w.heal()
	w.mu.Lock()
	processes := w.processes
	w.mu.Unlock()
	for _, p := range slices.Backward(processes) {
		p.stop()
	}
}

// violation records what may not be. The run ends.
func (w *World) violation(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	w.trace.Add("VIOLATION", err.Error())
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, err.Error())
	if w.stopWork != nil {
		w.stopWork()
	}
	return err
}

func (w *World) check(err error) error {
	if err != nil {
		return w.violation("%w", err)
	}
	return nil
}

func (w *World) failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.wrong) > 0
}

const halted = "this partition is halted"

// never are messages that no fault of a run explains.
var never = []string{
	"panic while a request was served", halted, "a request was answered twice", "an upload does not match its coordinate",
	"a followed record cannot be read",
}

// logged takes a line of a process's log.
func (w *World) logged(inc *incarnation, level slog.Level, message, text string) {
	w.trace.Add("log", inc.name(), level.String(), text)
	for _, n := range never {
		if strings.Contains(message, n) && !(n == halted && w.plan.Damage != pebblestoretest.None) {
			w.violation("%s logs: %s", inc.name(), text)
		}
	}
}

// newAdmin is an administrator who knows the first nodes and the guest.
func (w *World) newAdmin() *client.AdminClient {
	addresses := w.metadataAddresses()
	if w.guest != nil {
		addresses = append(addresses, w.guest.address())
	}
	return client.NewAdmin(client.AdminConfig{Addresses: addresses, Dial: w.net.Dialer("admin", func() bool { return true }), Logger: slog.New(slog.DiscardHandler)})
}
