package processes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/inkwell-project/inkwell/objectstorage/objectstoragetest"
	"github.com/inkwell-project/inkwell/test/servers"
)

// system is a Metadata cluster of one node and brokers of several Inkless clusters, each a process, with one S3 server.
type system struct {
	t        *testing.T
	binary   string
	s3       objectstoragetest.S3Server
	metadata *servers.Server
}

func startSystem(t *testing.T) *system {
	s := &system{t: t, binary: binary(t), s3: objectstoragetest.StartVersityGW(t)}
	dir := t.TempDir()
	s.metadata = s.keep(servers.StartInkwellRole(t.Context(), s.binary, "metadata", servers.Options{Dir: dir, Extra: []string{"--data", dir + "/data", "--group.initial.rebalance.delay", "0s"}}))
	return s
}

// keep ends a process with its test.
func (s *system) keep(server *servers.Server, err error) *servers.Server {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := server.Kill(); err != nil {
			s.t.Error(err)
		}
		if s.t.Failed() {
			s.t.Logf("%s:\n%s", server.Name, server.LogTail(4000))
		}
	})
	return server
}

func (s *system) admin(args ...string) (string, error) {
	out, err := exec.CommandContext(s.t.Context(), s.binary, append([]string{"cluster", "--metadata", s.metadata.Listen}, args...)...).CombinedOutput()
	return string(out), err
}

var password = regexp.MustCompile(`INKWELL_CLUSTER_PASSWORD=(\S+)`)

// create makes a cluster and returns its brokers' password.
func (s *system) create(name string, more ...string) string {
	s.t.Helper()
	out, err := s.admin(append([]string{"create", name}, more...)...)
	found := password.FindStringSubmatch(out)
	if err != nil || found == nil {
		s.t.Fatalf("cluster create %s: %v\n%s", name, err, out)
	}
	return found[1]
}

func (s *system) brokerOptions(cluster, secret string, id int) servers.Options {
	return servers.Options{
		Dir: s.t.TempDir(), Env: append([]string{"INKWELL_CLUSTER_PASSWORD=" + secret}, s.s3.Env...),
		Extra: []string{"--metadata", s.metadata.Listen, "--cluster", cluster, "--broker.id", strconv.Itoa(id), "--store", s.s3.URL},
	}
}

func (s *system) broker(cluster, secret string, id int) *servers.Server {
	s.t.Helper()
	return s.keep(servers.StartInkwellRole(s.t.Context(), s.binary, "broker", s.brokerOptions(cluster, secret, id)))
}

// only keeps a client at one broker, whatever Metadata says of the leaders: every broker serves every partition.
func only(t *testing.T, b *servers.Server, opts ...kgo.Opt) *kgo.Client {
	return client(t, b.Listen, append(opts, kgo.Dialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, b.Listen)
	}))...)
}

// TestTwoClustersOfBrokers: two brokers of one cluster share its topics and wake each other's consumers; another cluster on the same Metadata cluster and in the
// same bucket sees nothing of them.
func TestTwoClustersOfBrokers(t *testing.T) {
	s := startSystem(t)
	red, blue := s.create("red"), s.create("blue")
	if out, err := s.admin("create", "red"); err == nil {
		t.Errorf("a cluster was created twice: %s", out)
	}
	red1, red2, blue1 := s.broker("red", red, 1), s.broker("red", red, 2), s.broker("blue", blue, 1)
	awaitBrokers(t, red1, 2)
	awaitBrokers(t, red2, 2)
	awaitBrokers(t, blue1, 1)

	admin := kadm.NewClient(only(t, red1))
	if _, err := admin.CreateTopic(t.Context(), 6, 1, nil, "shared"); err != nil {
		t.Fatal(err)
	}
	t.Run("topics are the cluster's own", func(t *testing.T) { wantNoTopic(t, blue1, "shared") })
	t.Run("another cluster's password", func(t *testing.T) {
		opts := s.brokerOptions("red", blue, 9)
		said := refused(t, opts.Env, append([]string{"broker", "--listen", "127.0.0.1:0", "--http", ""}, opts.Extra...)...)
		wantWords(t, said, "red", "password")
	})
	t.Run("records cross brokers at once", func(t *testing.T) { crossBrokers(t, red1, red2) })
	t.Run("the same topic name in both clusters", func(t *testing.T) {
		if _, err := kadm.NewClient(only(t, blue1)).CreateTopic(t.Context(), 1, 1, nil, "shared"); err != nil {
			t.Fatal(err)
		}
		writer := only(t, blue1, kgo.DefaultProduceTopic("shared"))
		if err := writer.ProduceSync(t.Context(), kgo.StringRecord("blue")).FirstErr(); err != nil {
			t.Fatal(err)
		}
		got := readTopic(t, blue1, "shared", 1)
		if string(got[0].Value) != "blue" || got[0].Offset != 0 {
			t.Errorf("blue reads %q at %d", got[0].Value, got[0].Offset)
		}
	})
	t.Run("a broker ends", func(t *testing.T) {
		if err := red2.Stop(); err != nil {
			t.Fatal(err)
		}
		awaitBrokers(t, red1, 1)
		if got := readTopic(t, red1, "shared", crossRecords); len(got) != crossRecords {
			t.Errorf("%d records after a broker ended", len(got))
		}
	})
	for _, server := range []*servers.Server{red1, blue1, s.metadata} {
		if err := server.Stop(); err != nil {
			t.Errorf("%s: %v", server.Name, err)
		}
	}
}

// TestMoreBatchCoordinators: topics created after `cluster alter` are placed on the new partitions of __batch_coordinates, older ones stay, and brokers that run use both.
func TestMoreBatchCoordinators(t *testing.T) {
	s := startSystem(t)
	secret := s.create("red")
	b := s.broker("red", secret, 1)
	admin := kadm.NewClient(only(t, b))
	produce := func(topic string, from int) {
		t.Helper()
		writer := only(t, b, kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		for p := range int32(4) {
			if err := writer.ProduceSync(t.Context(), &kgo.Record{Partition: p, Value: fmt.Append(nil, from+int(p))}).FirstErr(); err != nil {
				t.Fatal(topic, p, err)
			}
		}
	}
	if _, err := admin.CreateTopic(t.Context(), 4, 1, nil, "before"); err != nil {
		t.Fatal(err)
	}
	produce("before", 0)
	if out, err := s.admin("alter", "red"); err == nil {
		t.Errorf("alter without a change: %s", out)
	}
	for range 2 { // asked twice: no harm
		if out, err := s.admin("alter", "red", "--batch.coordinators", "3"); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if out, err := s.admin("alter", "red", "--batch.coordinators", "2"); err == nil {
		t.Errorf("a cluster has fewer batch coordinators: %s", out)
	}
	if out, err := s.admin("describe", "red"); err != nil || !regexp.MustCompile(`Batch coordinators:\s+3\n`).MatchString(out) {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := admin.CreateTopic(t.Context(), 4, 1, nil, "after"); err != nil {
		t.Fatal(err)
	}
	produce("after", 10)
	produce("before", 4)
	if got := readTopic(t, b, "before", 8); len(got) != 8 {
		t.Errorf("%d records of the older topic", len(got))
	}
	if got := readTopic(t, b, "after", 4); len(got) != 4 {
		t.Errorf("%d records of the newer topic", len(got))
	}
	// Where the newer topic's records went: the internal topic's other partitions have records now.
	ends, err := kadm.NewClient(client(t, s.metadata.Listen)).ListEndOffsets(t.Context(), "__batch_coordinates.red")
	if err != nil {
		t.Fatal(err)
	}
	used := 0
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			used++
		}
	})
	if used < 2 {
		t.Errorf("%d of 3 partitions of __batch_coordinates.red have records", used)
	}
}

const crossRecords = 60

// crossBrokers writes through one broker while a consumer waits at the other.
func crossBrokers(t *testing.T, at, other *servers.Server) {
	reader := only(t, other, kgo.ConsumeTopics("shared"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(20*time.Second))
	writer := only(t, at, kgo.DefaultProduceTopic("shared"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var slowest time.Duration
	for i := range crossRecords {
		if err := writer.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint(i))).FirstErr(); err != nil {
			t.Fatal(err)
		}
		acked := time.Now()
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		if i > 10 {
			slowest = max(slowest, time.Since(acked))
		}
		if n := fetches.NumRecords(); n != 1 || string(fetches.Records()[0].Value) != fmt.Sprint(i) {
			t.Fatalf("%d records, %q, want record %d", n, fetches.Records()[0].Value, i)
		}
	}
	t.Logf("the slowest of %d records arrived %s after its ack", crossRecords, slowest.Round(time.Millisecond))
	// A poll timer would show as fetch.max.wait; the bound is far above what a loaded machine takes.
	if slowest > 10*time.Second {
		t.Errorf("a commit at one broker did not wake a fetch at the other: %s", slowest)
	}
}

func readTopic(t *testing.T, b *servers.Server, name string, n int) (records []*kgo.Record) {
	t.Helper()
	c := only(t, b, kgo.ConsumeTopics(name), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for len(records) < n {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%d of %d records: %v", len(records), n, err)
		}
		records = append(records, fetches.Records()...)
	}
	return records
}

func wantNoTopic(t *testing.T, b *servers.Server, name string) {
	t.Helper()
	topics, err := kadm.NewClient(only(t, b)).ListTopics(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if d := topics[name]; !errors.Is(d.Err, kerr.UnknownTopicOrPartition) {
		t.Errorf("%s shows topic %s: %v", b.Name, name, d.Err)
	}
}

// awaitBrokers waits until the broker sees so many.
func awaitBrokers(t *testing.T, b *servers.Server, n int) {
	t.Helper()
	admin := kadm.NewClient(client(t, b.Listen))
	deadline := time.Now().Add(time.Minute)
	for {
		brokers, err := admin.ListBrokers(t.Context())
		if err == nil && len(brokers) == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s sees %v (%v), want %d brokers", b.Name, brokers.NodeIDs(), err, n)
		}
		time.Sleep(50 * time.Millisecond) // what another process does has no other sign
	}
}
