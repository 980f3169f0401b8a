package chaos

import (
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/inkwell-project/inkwell/objectstorage/objectstoragetest"
	"github.com/inkwell-project/inkwell/test/servers"
)

var password = regexp.MustCompile(`INKWELL_CLUSTER_PASSWORD=(\S+)`)

// startCluster is a metadata node and some brokers of one Inkless cluster, each a process, with one S3 server.
func startCluster(t *testing.T, brokerCount int) (metadata *servers.Server, brokers []*servers.Server) {
	binary, dir, s3 := build(t), t.TempDir(), objectstoragetest.StartVersityGW(t)
	metadata = keep(t)(servers.StartInkwellRole(t.Context(), binary, "metadata", servers.Options{
		Dir: filepath.Join(dir, "metadata"), Extra: []string{"--data", filepath.Join(dir, "data"), "--group.initial.rebalance.delay", "0s"},
	}))
	out, err := exec.CommandContext(t.Context(), binary, "cluster", "--metadata", metadata.Listen, "create", "chaos").CombinedOutput()
	secret := password.FindStringSubmatch(string(out))
	if err != nil || secret == nil {
		t.Fatalf("cluster create: %v\n%s", err, out)
	}
	for id := range brokerCount {
		brokers = append(brokers, keep(t)(servers.StartInkwellRole(t.Context(), binary, "broker", servers.Options{
			Dir: filepath.Join(dir, "broker-"+strconv.Itoa(id)), Env: append([]string{"INKWELL_CLUSTER_PASSWORD=" + secret[1]}, s3.Env...),
			Extra: []string{"--metadata", metadata.Listen, "--cluster", "chaos", "--broker.id", strconv.Itoa(id), "--store", s3.URL, "--broker.session.timeout", "6s"},
		})))
	}
	return metadata, brokers
}

func TestKill9OfBrokers(t *testing.T) {
	t.Parallel() // all of these mostly wait for sessions to end
	_, brokers := startCluster(t, 2)
	killRepeatedly(t, brokers[0].Listen+","+brokers[1].Listen, brokers...)
}

func TestKill9OfTheMetadataNodeAndBrokers(t *testing.T) {
	t.Parallel()
	metadata, brokers := startCluster(t, 2)
	killRepeatedly(t, brokers[0].Listen+","+brokers[1].Listen, append(brokers, metadata)...)
}

// A broker that stands still for longer than its session is fenced and replaced meanwhile. When it wakes, nothing of what it had in its hands may count twice.
func TestBrokerThatWasPaused(t *testing.T) {
	t.Parallel()
	_, brokers := startCluster(t, 2)
	bootstrap := brokers[0].Listen + "," + brokers[1].Listen
	createTopic(t, bootstrap)
	h := newHistory(t)
	writers := make([]*producer, producers)
	for i := range writers {
		writers[i] = startProducer(t, h, bootstrap, i, rand.New(rand.NewPCG(1, uint64(i))))
	}
	tail := startTail(t, h, bootstrap)
	group := startGroup(t, h, bootstrap, "readers", 2)
	time.Sleep(2 * time.Second)
	for _, pause := range []time.Duration{13 * time.Second, time.Second} {
		if err := syscall.Kill(brokers[0].PID(), syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		time.Sleep(pause)
		if err := syscall.Kill(brokers[0].PID(), syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		h.say("woke after %s", pause)
		time.Sleep(2 * time.Second)
	}
	settle(t, h, bootstrap, writers, tail, group)
	for _, b := range brokers {
		if err := b.Stop(); err != nil {
			t.Errorf("SIGTERM: %v", err)
		}
	}
}
