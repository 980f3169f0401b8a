package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/inkwell-project/inkwell/objectstorage/objectstoragetest"
	"github.com/inkwell-project/inkwell/test/servers"
)

const (
	topic      = "kills"
	partitions = 4
	producers  = 3

	// The first kills of a life may come before it serves; the last after some work. Seconds of load between kills are what the test costs.
	shortestLife = 300 * time.Millisecond
	longestLife  = 3 * time.Second
	// settleTime is how long everything may take to come to its end after the last start.
	settleTime = 60 * time.Second
)

func TestKill9OnFolder(t *testing.T) {
	dev := start(t, servers.Options{})
	killRepeatedly(t, dev.Listen, dev)
}

func TestKill9OnS3(t *testing.T) {
	s3 := objectstoragetest.StartVersityGW(t)
	dev := start(t, servers.Options{Store: s3.URL, Env: s3.Env})
	killRepeatedly(t, dev.Listen, dev)
}

// killRepeatedly is the whole story: victims are killed, one at a time, while clients that know the addresses in bootstrap write and read.
func killRepeatedly(t *testing.T, bootstrap string, victims ...*servers.Server) {
	kills, seed := intFromEnv(t, "INKWELL_TEST_KILLS", 5), intFromEnv(t, "INKWELL_TEST_SEED", int(time.Now().UnixNano()%1_000_000))
	t.Logf("%d kills, INKWELL_TEST_SEED=%d", kills, seed)
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	createTopic(t, bootstrap)

	h := newHistory(t)
	writers := make([]*producer, producers)
	for i := range writers {
		writers[i] = startProducer(t, h, bootstrap, i, rand.New(rand.NewPCG(uint64(seed), uint64(i)+1)))
	}
	tail := startTail(t, h, bootstrap)
	group := startGroup(t, h, bootstrap, "readers", 2)

	for kill := range kills {
		life := shortestLife + time.Duration(random.Int64N(int64(longestLife-shortestLife)))
		time.Sleep(life)
		victim := victims[random.IntN(len(victims))]
		select {
		case <-victim.Ended():
			t.Fatalf("after %d kills %s ended by itself\n%s", kill, victim.Name, victim.LogTail(6000))
		default:
		}
		if err := victim.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := victim.Launch(); err != nil {
			t.Fatal(err)
		}
		// A broker's id is its own again when its session has ended, 9 s later. Every second time the others are not killed meanwhile.
		if len(victims) > 1 && random.IntN(2) == 0 {
			if err := victim.AwaitReady(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		h.say("kill %d after %s: %s at %s", kill+1, life.Round(time.Millisecond), victim.Name, victim.Listen)
	}
	for _, victim := range victims {
		if err := victim.AwaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	settle(t, h, bootstrap, writers, tail, group)
	for _, victim := range victims {
		if err := victim.Stop(); err != nil {
			t.Errorf("SIGTERM after the last life of %s: %v", victim.Name, err)
		}
	}
}

// settle waits until everything that was written is acknowledged and read, and compares.
func settle(t *testing.T, h *history, bootstrap string, writers []*producer, tail *tail, group *group) {
	ctx, cancel := context.WithTimeout(t.Context(), settleTime)
	defer cancel()
	for _, p := range writers {
		p.finish(ctx, t)
	}
	ends := endOffsets(ctx, t, bootstrap)
	tail.finish(ctx, t, ends)
	group.finish(ctx, t, ends)
	h.verify(t, readAll(ctx, t, bootstrap, ends), ends)
}

func start(t *testing.T, opts servers.Options) *servers.Server {
	binary := build(t)
	opts.Dir = filepath.Join(t.TempDir(), "inkwell")
	return keep(t)(servers.StartInkwell(t.Context(), binary, opts))
}

func build(t *testing.T) string {
	if testing.Short() {
		t.Skip("kills take a minute")
	}
	binary, err := servers.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// keep ends a server with its test.
func keep(t *testing.T) func(server *servers.Server, err error) *servers.Server {
	return func(server *servers.Server, err error) *servers.Server {
		if err != nil {
			t.Fatal(err)
		}
		keepUntilEnd(t, server)
		return server
	}
}

func keepUntilEnd(t *testing.T, server *servers.Server) {
	t.Cleanup(func() {
		if err := server.Kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the end of the log of %s at %s:\n%s", server.Name, server.Listen, server.LogTail(8000))
		}
	})
}

func createTopic(t *testing.T, address string) {
	client := newClient(t, address)
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), partitions, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
}

// newClient is a client that looks again soon after it lost the server.
func newClient(t *testing.T, address string, opts ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(strings.Split(address, ",")...), kgo.MetadataMinAge(50 * time.Millisecond),
		kgo.RetryBackoffFn(func(tries int) time.Duration {
			return min(time.Duration(tries)*20*time.Millisecond, 200*time.Millisecond)
		}),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func intFromEnv(t *testing.T, name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatal(fmt.Errorf("%s is %q, want a number", name, text))
	}
	return n
}
