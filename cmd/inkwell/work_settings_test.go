package main

import (
	"io"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inkwell-project/inkwell/internal/settings"
	"github.com/inkwell-project/inkwell/metadata/batchcoordinator"
)

func load(args ...string) (*metadataSettings, error) {
	var m metadataSettings
	s := settings.New("metadata", "")
	m.defineCoordinators(s, 0)
	return &m, s.Load(args, nil, io.Discard)
}

// TestWorkSettings: each setting reaches the field that it is for, and without any the coordinators have their own defaults.
func TestWorkSettings(t *testing.T) {
	config := func(m *metadataSettings) batchcoordinator.WorkConfig {
		return m.config(slog.New(slog.DiscardHandler), prometheus.NewRegistry()).Work
	}
	var defaults batchcoordinator.WorkConfig
	defaults.SetDefaults()
	m, err := load()
	if err != nil {
		t.Fatal(err)
	}
	if got := config(m); !reflect.DeepEqual(got, defaults) {
		t.Errorf("without settings:\n%+v, want\n%+v", got, defaults)
	}
	m, err = load("--compaction.merge.objects", "24", "--compaction.merge.bytes", "3MiB", "--compaction.merge.coordinates", "99", "--compaction.merge.max.age", "15s",
		"--compaction.partition.bytes", "5MiB", "--compaction.partition.coordinates", "8", "--compaction.partition.max.age", "7h", "--compaction.final.bytes", "4MiB", "--compaction.object.bytes", "6MiB",
		"--compaction.max.leases", "7", "--compaction.max.leases.per.broker", "2", "--compaction.lease.timeout", "20s", "--compaction.retry.backoff", "2s",
		"--compaction.retry.backoff.max", "21s", "--compaction.max.attempts", "9", "--compaction.parked.retry", "22m", "--log.cleaner.backoff", "6s", "--compaction.sweep.delays", "10s, 1h")
	if err != nil {
		t.Fatal(err)
	}
	want := batchcoordinator.WorkConfig{
		MergeObjects: 24, MergeBytes: 3 << 20, MergeCoordinates: 99, MergeAge: 15 * time.Second, PartitionBytes: 5 << 20, PartitionCoordinates: 8, PartitionAge: 7 * time.Hour, FinalBytes: 4 << 20, ObjectBytes: 6 << 20,
		MaxLeases: 7, MaxLeasesPerBroker: 2, MaxBackoff: 21 * time.Second, MaxAttempts: 9, ParkedRetry: 22 * time.Minute, CheckInterval: 6 * time.Second,
		SweepDelays: []time.Duration{10 * time.Second, time.Hour},
	}
	if got := config(m); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want\n%+v", got, want)
	}
	if l := m.config(slog.New(slog.DiscardHandler), prometheus.NewRegistry()).Limits; l.WorkLease != 20*time.Second || l.WorkRetryDelay != 2*time.Second {
		t.Errorf("lease %s, retry %s", l.WorkLease, l.WorkRetryDelay)
	}
}

// A node, that of dev too, registers with its version.
func TestNodesSayTheirVersion(t *testing.T) {
	m, err := load()
	if err != nil {
		t.Fatal(err)
	}
	if got := m.config(slog.New(slog.DiscardHandler), prometheus.NewRegistry()).Version; got != version || got == "" {
		t.Errorf("version %q, want %q", got, version)
	}
}

func TestWorkSettingsThatAreWrong(t *testing.T) {
	for _, text := range []string{"", "1m,", "1m,soon", "0s", strings.Repeat("1s,", 40) + "1s"} {
		if _, err := load("--compaction.sweep.delays", text); err == nil || !strings.Contains(err.Error(), "compaction.sweep.delays") {
			t.Errorf("sweep delays %q: %v", text, err)
		}
	}
	m, err := load("--compaction.partition.bytes", "2MiB", "--compaction.object.bytes", "1MiB")
	if err != nil {
		t.Fatal(err)
	}
	cfg := m.config(slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "compaction.partition.bytes is 2097152, want at most compaction.object.bytes, 1048576") {
		t.Errorf("a partition's bytes above an object's: %v", err)
	}
}
