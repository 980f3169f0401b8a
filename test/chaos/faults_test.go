package chaos

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/inkwell-project/inkwell/metadata/clustercontroller/state"
	"github.com/inkwell-project/inkwell/metadata/statestore/pebblestore/pebblestoretest"
)

// step is one fault of a schedule: what, to whom, for how long. All of it is drawn from the seed; who leads at that moment is not.
type step struct {
	fault string
	a, b  int // places, of nodes or brokers modulo their number
	hold  time.Duration
}

func (st step) String() string {
	return fmt.Sprintf("%s(%d,%d) %s", st.fault, st.a, st.b, st.hold.Round(10*time.Millisecond))
}

// fault does something to the system, undoes it and returns when all that it ended runs again.
type fault struct {
	name     string
	min, max time.Duration // how long it holds
	long     bool          // not for the short form
	do       func(s *system, st step) error
}

var faults = []fault{
	{"kill a metadata node", 0, 3 * time.Second, false, func(s *system, st step) error { return s.restart(s.someNode(st.a), st.hold, kill) }},
	{"kill the leader of commits", 0, time.Second, false, killLeader("__batch_coordinates")},
	{"kill the leader of groups", 0, time.Second, false, killLeader("__consumer_offsets")},
	{"kill the controller of a cluster", 0, time.Second, true, killLeader("__metadata")},
	{"kill the controller of the nodes", 0, time.Second, true, killLeader("__cluster_metadata")},
	{"kill all metadata nodes", 0, 4 * time.Second, true, killAllNodes},
	{"kill a broker", 0, time.Second, false, func(s *system, st step) error { return s.restart(s.someBroker(st.a), st.hold, kill) }},
	{"pause a metadata node", time.Second, 6 * time.Second, false, func(s *system, st step) error { return s.pause(s.someNode(st.a), st.hold) }},
	{"pause two metadata nodes", time.Second, 5 * time.Second, true, pauseTwoNodes},
	{"pause a broker", 500 * time.Millisecond, 3 * time.Second, false, func(s *system, st step) error { return s.pause(s.someBroker(st.a), st.hold) }},
	{"pause a broker beyond its session", brokerSession + 4*time.Second, brokerSession + 6*time.Second, true, func(s *system, st step) error { return s.pause(s.someBroker(st.a), st.hold) }},
	{"pause a metadata node beyond sessions", brokerSession + 4*time.Second, brokerSession + 6*time.Second, true, func(s *system, st step) error { return s.pause(s.someNode(st.a), st.hold) }},
	{"cut two metadata nodes apart", 2 * time.Second, 6 * time.Second, false, func(s *system, st step) error {
		return s.apart(st, both(s.nodeName(st.a), s.nodeName(st.a+1+st.b%2)))
	}},
	{"cut one way between metadata nodes", 2 * time.Second, 6 * time.Second, false, func(s *system, st step) error {
		return s.apart(st, []cut{{s.nodeName(st.a), s.nodeName(st.a + 1 + st.b%2)}})
	}},
	{"a metadata node hears nobody", 2 * time.Second, 6 * time.Second, true, func(s *system, st step) error {
		return s.apart(st, ways(s.everyone(), []string{s.nodeName(st.a)}))
	}},
	{"nobody hears a metadata node", 2 * time.Second, 6 * time.Second, true, func(s *system, st step) error {
		return s.apart(st, ways([]string{s.nodeName(st.a)}, s.everyone()))
	}},
	{"isolate a metadata node", 2 * time.Second, 8 * time.Second, true, func(s *system, st step) error {
		return s.apart(st, append(ways([]string{s.nodeName(st.a)}, s.everyone()), ways(s.everyone(), []string{s.nodeName(st.a)})...))
	}},
	{"cut a broker from a metadata node", 2 * time.Second, 6 * time.Second, false, func(s *system, st step) error {
		return s.apart(st, both(s.brokers[st.a%len(s.brokers)].name, s.nodeName(st.b)))
	}},
	{"answers of a metadata node to a broker are held", 2 * time.Second, 6 * time.Second, true, func(s *system, st step) error {
		return s.apart(st, []cut{{s.nodeName(st.b), s.brokers[st.a%len(s.brokers)].name}})
	}},
	{"cut a broker from all metadata nodes beyond its session", brokerSession + 4*time.Second, brokerSession + 6*time.Second, true, func(s *system, st step) error {
		broker := []string{s.brokers[st.a%len(s.brokers)].name}
		return s.apart(st, append(ways(broker, s.nodeNames()), ways(s.nodeNames(), broker)...))
	}},
	{"cut a broker from its store", time.Second, 5 * time.Second, false, func(s *system, st step) error {
		return s.apart(st, both(s.brokers[st.a%len(s.brokers)].name, "store"))
	}},
	{"cut all brokers from the store", time.Second, 4 * time.Second, true, func(s *system, st step) error {
		return s.apart(st, append(ways(s.brokerNames(), []string{"store"}), ways([]string{"store"}, s.brokerNames())...))
	}},
	{"cut clients from a broker", time.Second, 5 * time.Second, true, func(s *system, st step) error {
		return s.apart(st, both(anyone, s.brokers[st.a%len(s.brokers)].name))
	}},
	{"fill the disk of a metadata node", time.Second, 3 * time.Second, false, fullDisk},
	{"damage a state of a metadata node", 0, time.Second, false, damageState},
	{"restart all metadata nodes in turn", 0, time.Second, true, rollNodes},
	{"restart all brokers in turn", 0, time.Second, true, rollBrokers},
	{"replace a dead metadata node", 0, time.Second, true, replaceNode},
	{"drain and remove a metadata node", 0, 0, true, drainNode},
}

// spot is a process and who may touch it.
type spot struct {
	get  func() *process
	busy *sync.Mutex
}

func (s *system) someNode(i int) spot {
	i %= nodeCount
	return spot{func() *process { return s.node(i) }, &s.busy[i]}
}

func (s *system) someBroker(i int) spot {
	i %= len(s.brokers)
	return spot{func() *process { return s.brokers[i] }, &s.busy[nodeCount+i]}
}

func (s *system) nodeName(i int) string { return s.node(i % nodeCount).name }

func (s *system) nodeNames() (names []string) {
	for i := range nodeCount {
		names = append(names, s.nodeName(i))
	}
	return names
}

func (s *system) brokerNames() (names []string) {
	for _, b := range s.brokers {
		names = append(names, b.name)
	}
	return names
}

func (s *system) everyone() []string {
	return append(append(s.nodeNames(), s.brokerNames()...), anyone)
}

func both(a, b string) []cut { return []cut{{a, b}, {b, a}} }

func ways(from, to []string) (all []cut) {
	for _, f := range from {
		for _, t := range to {
			all = append(all, cut{f, t})
		}
	}
	return all
}

func (s *system) apart(st step, all []cut) error {
	defer s.net.cut(all...)()
	sleep(s.t.Context(), st.hold)
	return nil
}

func kill(p *process) error { return p.Kill() }
func term(p *process) error { return p.Stop() }

// restart ends a process, waits, and starts it again.
func (s *system) restart(at spot, away time.Duration, end func(p *process) error) error {
	at.busy.Lock()
	defer at.busy.Unlock()
	p := at.get()
	s.say("  %s ends", p.name)
	if err := end(p); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	sleep(s.t.Context(), away)
	return s.launch(p)
}

func (s *system) launch(p *process) error {
	if err := p.Launch(); err != nil {
		return err
	}
	s.say("  %s starts", p.name)
	return p.AwaitReady(s.t.Context())
}

func (s *system) pause(at spot, d time.Duration) error {
	at.busy.Lock()
	defer at.busy.Unlock()
	p := at.get()
	if err := syscall.Kill(p.PID(), syscall.SIGSTOP); err != nil {
		return fmt.Errorf("pausing %s: %w", p.name, err)
	}
	s.say("  %s stands still", p.name)
	sleep(s.t.Context(), d)
	return syscall.Kill(p.PID(), syscall.SIGCONT)
}

func pauseTwoNodes(s *system, st step) error {
	var all sync.WaitGroup
	errs := make([]error, 2)
	for i := range errs {
		all.Go(func() { errs[i] = s.pause(s.someNode(st.a+i), st.hold) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// killLeader kills the node that leads a topic of one cluster, or one without a cluster.
func killLeader(topic string) func(s *system, st step) error {
	return func(s *system, st step) error {
		name := topic
		if topic != "__cluster_metadata" {
			name += "." + clusterNames[st.b%len(clusterNames)]
		}
		i, err := s.leader(s.t.Context(), name, 0)
		if err != nil || i < 0 { // other faults are under way
			s.say("  nobody is known to lead %s: %v", name, err)
			i = st.a
		}
		return s.restart(s.someNode(i), st.hold, kill)
	}
}

func killAllNodes(s *system, st step) error {
	var all sync.WaitGroup
	errs := make([]error, nodeCount)
	for i := range errs {
		all.Go(func() { errs[i] = s.restart(s.someNode(i), st.hold, kill) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// fullDisk fills a node's disk. The node ends when it needs room, or when it is told to while it lives on what its log file has left; it says why, and
// starts again where there is room.
func fullDisk(s *system, st step) error {
	at := s.someNode(st.a)
	at.busy.Lock()
	defer at.busy.Unlock()
	p := at.get()
	free, ok, err := fillDisk(p.disk)
	if err != nil {
		return err
	}
	if !ok {
		s.say("  left out: only root may mount a small disk")
		return nil
	}
	began := time.Now()
	select {
	case <-p.Ended():
		s.say("  %s ended by itself %s after its disk was full", p.name, time.Since(began).Round(time.Millisecond))
	case <-time.After(5 * time.Second):
		s.say("  %s has room in its log, and is told to end", p.name)
	}
	if p.Stop() == nil {
		err = fmt.Errorf("%s ended with code 0 on a full disk", p.name)
	}
	if log := p.LogTail(3000); !strings.Contains(log, "no space left") || !strings.Contains(log, "--data") {
		err = errors.Join(err, fmt.Errorf("%s does not say that its disk is full:\n%s", p.name, log))
	}
	if took := time.Since(began); took > 20*time.Second {
		err = errors.Join(err, fmt.Errorf("%s ended %s after its disk was full", p.name, took))
	}
	sleep(s.t.Context(), st.hold)
	return errors.Join(err, free(), s.launch(p))
}

// damageState flips a bit in the state of one of the clusters' partitions on a node that is down. It has it made anew from the others.
func damageState(s *system, st step) error {
	return s.restart(s.someNode(st.a), st.hold, func(p *process) error {
		if err := p.Stop(); err != nil { // what was not flushed comes back from the log, and has no file to damage
			return err
		}
		group, err := pebblestoretest.Damage(vfs.Default, filepath.Join(p.disk, "data", "metadata", "state"), rand.New(rand.NewPCG(uint64(st.b), 0)), pebblestoretest.FlippedBit,
			func(group uint64) bool { return group > state.ClusterMetadataGroup && group < state.OwnOffsetsGroup })
		s.say("  of %s the state of group %d is damaged", p.name, group) // 0: nothing was flushed yet
		s.damaged.Store(true)
		return err
	})
}

func rollNodes(s *system, st step) error {
	for i := range nodeCount {
		if err := s.restart(s.someNode(st.a+i), st.hold, term); err != nil {
			return err
		}
		// An operator waits too: the next one may go when this one is there again.
		if err := s.awaitCalmFor(time.Minute); err != nil {
			return err
		}
	}
	return nil
}

func rollBrokers(s *system, st step) error {
	for i := range s.brokers {
		if err := s.restart(s.someBroker(st.a+i), st.hold, term); err != nil {
			return err
		}
	}
	return nil
}
