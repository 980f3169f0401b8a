package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/inkwell-project/inkwell/objectstorage/objectstoragetest"
	"github.com/inkwell-project/inkwell/test/servers"
)

const (
	clusterName   = "soak"
	metadataNodes = 3
	brokerCount   = 2
)

// cluster is all processes of the soak.
type cluster struct {
	binary            string
	s3                objectstoragetest.S3Server
	store             *faultyStore
	nodes, brokers    []*servers.Server
	metadata, clients string // addresses
	password          string
}

var password = regexp.MustCompile(`INKWELL_CLUSTER_PASSWORD=(\S+)`)

// startCluster starts everything, with settings by which an hour has many rounds of every job.
func startCluster(t *testing.T, binary, dir string, seed uint64, s *scale) *cluster {
	c := &cluster{binary: binary, s3: objectstoragetest.StartVersityGW(t)}
	c.store = startFaultyStore(t, c.s3.Endpoint, seed)
	var listens, rafts []string
	for range metadataNodes {
		listens, rafts = append(listens, freeAddress(t)), append(rafts, freeAddress(t))
	}
	c.metadata = strings.Join(listens, ",")
	for i := range metadataNodes {
		node := filepath.Join(dir, "metadata-"+strconv.Itoa(i+1))
		extra := append([]string{"--node.id", strconv.Itoa(i + 1), "--data", filepath.Join(t.TempDir(), "data"), "--raft.listen", rafts[i]}, s.metadata...)
		if i > 0 {
			extra = append(extra, "--join", listens[0])
		}
		c.nodes = append(c.nodes, keep(t)(servers.StartInkwellRole(t.Context(), binary, "metadata", servers.Options{Dir: node, Listen: listens[i], Extra: extra})))
	}
	out, err := c.inkwell(t.Context(), "cluster", "--metadata", c.metadata, "--batch.coordinators", "2", "--group.coordinators", "1", "create", clusterName)
	found := password.FindStringSubmatch(out)
	if err != nil || found == nil {
		t.Fatalf("cluster create: %v\n%s", err, out)
	}
	c.password = found[1]
	env := append([]string{"INKWELL_CLUSTER_PASSWORD=" + c.password}, c.s3.Env...)
	var addresses []string
	for id := range brokerCount {
		extra := append([]string{"--metadata", c.metadata, "--cluster", clusterName, "--broker.id", strconv.Itoa(id + 1), "--store", c.storeURL(c.store.Address)}, s.broker...)
		b := keep(t)(servers.StartInkwellRole(t.Context(), binary, "broker", servers.Options{Dir: filepath.Join(dir, "broker-"+strconv.Itoa(id+1)), Env: env, Extra: extra}))
		c.brokers, addresses = append(c.brokers, b), append(addresses, b.Listen)
	}
	c.clients = strings.Join(addresses, ",")
	return c
}

// storeURL is the bucket as it is reached at an address.
func (c *cluster) storeURL(address string) string {
	return strings.Replace(c.s3.URL, c.s3.Endpoint, address, 1)
}

// inkwell runs a command to its end.
func (c *cluster) inkwell(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.binary, args...)
	cmd.Env = append(cmd.Environ(), c.s3.Env...)
	if c.password != "" {
		cmd.Env = append(cmd.Env, "INKWELL_CLUSTER_PASSWORD="+c.password)
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (c *cluster) all() []*servers.Server {
	return append(append([]*servers.Server{}, c.nodes...), c.brokers...)
}

// killRepeatedly ends processes at drawn moments until ctx ends, and leaves them all running. One metadata node at a time is away, for a majority must be there.
func (s *soak) killRepeatedly(ctx context.Context, random *rand.Rand) {
	for {
		if !sleep(ctx, s.scale.killEvery/2+time.Duration(random.Int64N(int64(s.scale.killEvery)))) {
			return
		}
		victims := s.cluster.brokers
		if random.IntN(5) < 2 {
			victims = s.cluster.nodes
		}
		victim := victims[random.IntN(len(victims))]
		var err error
		switch random.IntN(6) {
		case 0: // stands still for longer than its session
			err = s.pause(ctx, victim, 12*time.Second)
		case 1: // is away for a while
			err = s.kill(victim, func() { sleep(ctx, time.Duration(random.Int64N(int64(15*time.Second)))) })
		default:
			err = s.kill(victim, func() {})
		}
		if err == nil {
			err = victim.AwaitReady(s.t.Context())
		}
		if err != nil {
			s.model.violated("%s at %s: %v", victim.Name, victim.Listen, err)
			return
		}
	}
}

func (s *soak) kill(victim *servers.Server, meanwhile func()) error {
	select {
	case <-victim.Ended():
		return fmt.Errorf("it ended by itself\n%s", victim.LogTail(6000))
	default:
	}
	s.kills.Add(1)
	s.processes.Lock()
	err := victim.Kill()
	s.processes.Unlock()
	if err != nil {
		return err
	}
	meanwhile()
	s.processes.Lock()
	defer s.processes.Unlock()
	return victim.Launch()
}

func (s *soak) pause(ctx context.Context, victim *servers.Server, d time.Duration) error {
	s.pauses.Add(1)
	if err := syscall.Kill(victim.PID(), syscall.SIGSTOP); err != nil {
		return err
	}
	sleep(ctx, d)
	return syscall.Kill(victim.PID(), syscall.SIGCONT)
}

func keep(t *testing.T) func(server *servers.Server, err error) *servers.Server {
	return func(server *servers.Server, err error) *servers.Server {
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := server.Kill(); err != nil {
				t.Error(err)
			}
		})
		return server
	}
}

func freeAddress(t *testing.T) string {
	address, err := servers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// retry asks again until it works or ctx ends, each time for as long as said: servers are away now and then.
func retry(ctx context.Context, each time.Duration, do func(ctx context.Context) error) error {
	for {
		once, cancel := context.WithTimeout(ctx, each)
		err := do(once)
		cancel()
		if err == nil || !sleep(ctx, 200*time.Millisecond) {
			return err
		}
	}
}
