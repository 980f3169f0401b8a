package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/inkwell-project/inkwell/objectstorage/objectstoragetest"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
	"github.com/inkwell-project/inkwell/test/servers"
)

const (
	adminPassword = "chaos-admin"
	nodeCount     = 3
	// brokerSession is the least that a node allows.
	brokerSession = 6 * time.Second
)

var administrator = kgo.SASL(scram.Auth{User: "admin", Pass: adminPassword}.AsSha512Mechanism())

// clusterNames are the Inkless clusters; broker i is of the cluster i modulo their number.
var clusterNames = [...]string{"red", "blue"}

// system is three metadata nodes and four brokers of two Inkless clusters, each a process, with one S3 server. All their links go through a network that can be cut.
type system struct {
	t       *testing.T
	binary  string
	dir     string
	damaged atomic.Bool // some state was
	net     *network
	s3      objectstoragetest.S3Server
	places  [nodeCount]string // where brokers begin to look for the nodes, whichever run there
	brokers [4]*process
	began   time.Time
	busy    [nodeCount + 4]sync.Mutex // of each node and broker: held by who signals it, ends it or starts it

	exchanging sync.Mutex // held while a node is exchanged for another: two dead of three are one too many

	mu     sync.Mutex // guards what follows
	nodes  [nodeCount]*process
	lastID int // of a metadata node
}

// process is one place for a node or a broker. What runs there may change.
type process struct {
	*servers.Server
	name    string // as the network knows it
	id      int
	address string // where others reach it
	disk    string // of a metadata node
}

func startSystem(t *testing.T) *system {
	s := &system{t: t, binary: build(t), dir: t.TempDir(), net: newNetwork(t), s3: objectstoragetest.StartVersityGW(t), began: time.Now()}
	if err := os.WriteFile(s.secretFile(), []byte(strings.Repeat("c4a05e", 10)), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range nodeCount {
		s.setNode(i, s.startNode())
		s.places[i] = s.net.movingPort(t, func() (string, string) { n := s.node(i); return n.name, n.Listen }, false, kafkaCaller)
	}
	var passwords []string
	for _, name := range clusterNames {
		out, err := s.run("cluster", "create", name)
		secret := password.FindStringSubmatch(out)
		if err != nil || secret == nil {
			t.Fatalf("cluster create %s: %v\n%s", name, err, out)
		}
		passwords = append(passwords, secret[1])
	}
	for i := range s.brokers {
		s.brokers[i] = s.startBroker(i, passwords[i%len(clusterNames)])
	}
	return s
}

func (s *system) say(format string, args ...any) {
	s.t.Helper()
	s.t.Logf("%6.2fs %s", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}

func (s *system) secretFile() string { return filepath.Join(s.dir, "cluster.secret") }

// metadata is where brokers and administrators find the nodes that run now.
func (s *system) metadata() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, n := range s.nodes {
		if n != nil {
			all = append(all, n.address)
		}
	}
	return strings.Join(all, ",")
}

// node is what runs at one of the nodes' places.
func (s *system) node(i int) *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nodes[i]
}

func (s *system) setNode(i int, p *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes[i] = p
}

// processes are all that should run.
func (s *system) processes() (all []*process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(append(all, s.nodes[:]...), s.brokers[:]...)
}

// run is a command of an administrator.
func (s *system) run(args ...string) (string, error) {
	cmd := exec.CommandContext(s.t.Context(), s.binary, append(args, "--metadata", s.metadata())...)
	cmd.Env = append(cmd.Environ(), "INKWELL_ADMIN_PASSWORD="+adminPassword)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// startNode starts a metadata node under a new id, which joins those that are there.
func (s *system) startNode() *process {
	s.mu.Lock()
	s.lastID++
	p := &process{id: s.lastID}
	s.mu.Unlock()
	p.name, p.disk = fmt.Sprintf("node-%d", p.id), filepath.Join(s.dir, fmt.Sprintf("disk-%d", p.id))
	smallDisk(s.t, p.disk)
	listen, raft := freeAddress(s.t), freeAddress(s.t)
	p.address = s.net.port(s.t, p.name, listen, false, kafkaCaller)
	args := []string{
		"--node.id", strconv.Itoa(p.id), "--data", filepath.Join(p.disk, "data"), "--advertise", p.address, "--cluster.secret.file", s.secretFile(),
		"--raft.listen", raft, "--raft.advertise", s.net.port(s.t, p.name, raft, false, raftCaller), "--group.initial.rebalance.delay", "0s",
	}
	if others := s.metadata(); others != "" {
		args = append(args, "--join", others)
	}
	p.Server = s.keep(servers.StartInkwellRole(s.t.Context(), s.binary, "metadata", servers.Options{
		Dir: filepath.Join(s.dir, p.name), Listen: listen, Extra: args, Env: []string{"INKWELL_ADMIN_PASSWORD=" + adminPassword}, Login: administrator,
	}))
	return p
}

func (s *system) startBroker(i int, password string) *process {
	p := &process{id: i, name: fmt.Sprintf("broker-%d", i)}
	listen := freeAddress(s.t)
	p.address = s.net.port(s.t, p.name, listen, true, kafkaCaller)
	store := strings.Replace(s.s3.URL, s.s3.Endpoint, s.net.port(s.t, "store", s.s3.Endpoint, false, always(p.name)), 1)
	p.Server = s.keep(servers.StartInkwellRole(s.t.Context(), s.binary, "broker", servers.Options{
		Dir: filepath.Join(s.dir, p.name), Listen: listen, Env: append([]string{"INKWELL_CLUSTER_PASSWORD=" + password}, s.s3.Env...),
		Extra: []string{"--metadata", strings.Join(s.places[:], ","), "--advertise", p.address, "--cluster", clusterNames[i%len(clusterNames)], "--broker.id", strconv.Itoa(i), "--store", store,
			"--broker.session.timeout", brokerSession.String()},
	}))
	return p
}

func (s *system) keep(server *servers.Server, err error) *servers.Server {
	return keep(s.t)(server, err)
}

func freeAddress(t *testing.T) string {
	a, err := servers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// bootstrap is where the clients of a cluster begin.
func (s *system) bootstrap(cluster int) string {
	var all []string
	for i := cluster; i < len(s.brokers); i += len(clusterNames) {
		all = append(all, s.brokers[i].address)
	}
	return strings.Join(all, ",")
}

// list is what the controller says of the nodes.
func (s *system) list(ctx context.Context) (*rpc.ListNodesResponse, error) {
	admin := client.NewAdmin(client.AdminConfig{
		Addresses: strings.Split(s.metadata(), ","), User: "admin", Password: adminPassword, Dial: new(net.Dialer).DialContext, Timeout: 20 * time.Second, ClientID: "chaos",
	})
	defer admin.Close()
	return admin.ListNodes(ctx, &rpc.ListNodesRequest{})
}

// leader is the place of the node that leads a partition of an internal topic, as Kafka's own tools would find it; -1 if nobody does.
func (s *system) leader(ctx context.Context, topic string, partition int32) (int, error) {
	c, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(s.metadata(), ",")...), administrator,
		kgo.MetadataMinAge(10*time.Millisecond), kgo.RetryTimeout(5*time.Second))
	if err != nil {
		return -1, err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	topics, err := kadm.NewClient(c).ListTopicsWithInternal(ctx, topic)
	if err != nil {
		return -1, err
	}
	p, ok := topics[topic].Partitions[partition]
	if !ok {
		return -1, fmt.Errorf("%s has no partition %d: %w", topic, partition, topics[topic].Err)
	}
	for i := range nodeCount {
		if int32(s.node(i).id) == p.Leader {
			return i, nil
		}
	}
	return -1, nil
}

// awaitCalm waits until the controller knows that every node lives and no replica is on its way.
func (s *system) awaitCalm(ctx context.Context) error {
	var last string
	for {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		l, err := s.list(attempt)
		cancel()
		if err == nil {
			alive, left := 0, int32(0)
			for _, n := range l.Nodes {
				if n.State != "active" {
					left += n.Replicas + n.Leaving // of a dead node whose replacement is not planned yet
				}
				if n.Alive && n.State == "active" && n.Arriving+n.Leaving == 0 {
					alive++
				}
			}
			if alive == nodeCount && left == 0 && len(l.Moves) == 0 {
				return nil
			}
			last = fmt.Sprintf("%+v", l)
		} else {
			last = err.Error()
		}
		if !sleep(ctx, 100*time.Millisecond) {
			return fmt.Errorf("the nodes do not come to rest: %s", last)
		}
	}
}

// stillRuns fails for processes that ended by themselves.
func (s *system) stillRuns() error {
	var errs []error
	for _, p := range s.processes() {
		select {
		case <-p.Ended():
			errs = append(errs, fmt.Errorf("%s ended by itself\n%s", p.name, p.LogTail(3000)))
		default:
		}
	}
	return errors.Join(errs...)
}

// complaints are words in the logs that none of the faults explains.
func (s *system) complaints() (found []string) {
	logs, err := filepath.Glob(filepath.Join(s.dir, "*", "server.log"))
	if err != nil || len(logs) == 0 {
		return []string{fmt.Sprintf("no logs: %v", err)}
	}
	for _, log := range logs {
		text, err := os.ReadFile(log)
		if err != nil {
			return []string{err.Error()}
		}
		for line := range strings.Lines(string(text)) {
			for _, word := range []string{"panic", "is halted", "fatal error", "DATA RACE"} {
				if s.damaged.Load() && strings.Contains(line, "checksum mismatch") {
					continue // it is rebuilt, or all is not well in the end
				}
				if strings.Contains(line, word) && len(found) < 20 {
					found = append(found, filepath.Base(filepath.Dir(log))+": "+strings.TrimSpace(line))
				}
			}
		}
	}
	return found
}
