package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
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
	killRepeatedly(t, servers.Options{})
}

func TestKill9OnS3(t *testing.T) {
	s3 := objectstoragetest.StartVersityGW(t)
	killRepeatedly(t, servers.Options{Store: s3.URL, Env: s3.Env})
}

// killRepeatedly is the whole story of one store.
func killRepeatedly(t *testing.T, opts servers.Options) {
	if testing.Short() {
		t.Skip("kills take a minute")
	}
	kills, seed := intFromEnv(t, "INKWELL_TEST_KILLS", 5), intFromEnv(t, "INKWELL_TEST_SEED", int(time.Now().UnixNano()%1_000_000))
	t.Logf("%d kills, INKWELL_TEST_SEED=%d", kills, seed)
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	server := start(t, opts)
	createTopic(t, server.Listen)

	h := newHistory(t)
	writers := make([]*producer, producers)
	for i := range writers {
		writers[i] = startProducer(t, h, server.Listen, i, rand.New(rand.NewPCG(uint64(seed), uint64(i)+1)))
	}
	tail := startTail(t, h, server.Listen)
	group := startGroup(t, h, server.Listen, "readers", 2)

	for kill := range kills {
		life := shortestLife + time.Duration(random.Int64N(int64(longestLife-shortestLife)))
		select {
		case <-server.Ended():
			t.Fatalf("after %d kills the process ended by itself\n%s", kill, server.LogTail(6000))
		case <-time.After(life):
		}
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := server.Launch(); err != nil {
			t.Fatal(err)
		}
		h.say("kill %d after %s", kill+1, life.Round(time.Millisecond))
	}

	if err := server.AwaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), settleTime)
	defer cancel()
	for _, p := range writers {
		p.finish(ctx, t)
	}
	ends := endOffsets(ctx, t, server.Listen)
	tail.finish(ctx, t, ends)
	group.finish(ctx, t, ends)
	h.verify(t, readAll(ctx, t, server.Listen, ends), ends)
	if err := server.Stop(); err != nil {
		t.Errorf("SIGTERM after the last life: %v", err)
	}
}

func start(t *testing.T, opts servers.Options) *servers.Server {
	binary, err := servers.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	opts.Dir = filepath.Join(t.TempDir(), "inkwell")
	server, err := servers.StartInkwell(t.Context(), binary, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the end of the log of inkwell dev:\n%s", server.LogTail(8000))
		}
	})
	return server
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
		kgo.SeedBrokers(address), kgo.MetadataMinAge(50 * time.Millisecond),
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
