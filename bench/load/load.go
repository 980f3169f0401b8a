// Package load is what the benchmarks of this folder share: clients, load and figures.
package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// NewClient is a client without compression.
func NewClient(address string, opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(address), kgo.ProducerBatchCompression(kgo.NoCompression())}, opts...)...)
}

// CreateTopic creates a topic with default configs.
func CreateTopic(ctx context.Context, address, name string, partitions int32) error {
	client, err := NewClient(address)
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = kadm.NewClient(client).CreateTopic(ctx, partitions, 1, nil, name)
	return err
}

// Fill produces bytes of records of recordBytes each to a topic, as fast as it goes.
func Fill(ctx context.Context, address, topic string, bytes int64, recordBytes int) error {
	client, err := NewClient(address, kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(50_000))
	if err != nil {
		return err
	}
	defer client.Close()
	value := Noise(recordBytes)
	failed := make(chan error, 1)
	for n := int64(0); n < bytes && ctx.Err() == nil; n += int64(recordBytes) {
		client.Produce(ctx, &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	err = client.Flush(ctx)
	select {
	case first := <-failed:
		return errors.Join(first, err)
	default:
		return err
	}
}

// Steady produces bytesPerSecond of 1 KiB records for d and returns how long each took to be acknowledged.
func Steady(ctx context.Context, address, topic string, bytesPerSecond int, d time.Duration) (acks []time.Duration, err error) {
	client, err := NewClient(address, kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(5*time.Millisecond))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	const recordBytes = 1 << 10
	value := Noise(recordBytes)
	type ack struct {
		took time.Duration
		err  error
	}
	all := make(chan ack, 1024)
	collected := make(chan struct{})
	go func() {
		defer close(collected)
		for a := range all {
			acks = append(acks, a.took)
			err = errors.Join(err, a.err)
		}
	}()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	began := time.Now()
	for sent := 0; time.Since(began) < d && ctx.Err() == nil; <-ticker.C {
		for due := int(time.Since(began).Seconds() * float64(bytesPerSecond) / recordBytes); sent < due; sent++ {
			start := time.Now()
			client.Produce(ctx, &kgo.Record{Value: value}, func(_ *kgo.Record, err error) { all <- ack{time.Since(start), err} })
		}
	}
	flushed := client.Flush(ctx)
	close(all)
	<-collected
	return acks, errors.Join(err, flushed, ctx.Err())
}

// CPUTime is the user and system time of a process (Linux).
func CPUTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+2:])
	const userField, systemField, ticksPerSecond = 11, 12, 100
	var ticks int64
	for _, i := range []int{userField, systemField} {
		n, err := strconv.ParseInt(string(fields[i]), 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}

// PeakRSS is the greatest resident size of a process so far, in bytes (Linux).
func PeakRSS(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10, err
		}
	}
	return 0, errors.New("no VmHWM in /proc status")
}

// Metrics are the samples at a server's status address, by name and labels as they are written there.
func Metrics(ctx context.Context, address string) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	samples := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		name, value, ok := cutLast(strings.TrimSpace(line))
		if v, err := strconv.ParseFloat(value, 64); ok && err == nil && !strings.HasPrefix(line, "#") {
			samples[name] = v
		}
	}
	return samples, nil
}

// Ready is nil once a server says so at its status address.
func Ready(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(strings.TrimSpace(string(text)))
	}
	return err
}

func cutLast(line string) (name, value string, ok bool) {
	i := strings.LastIndexByte(line, ' ')
	if i < 0 {
		return "", "", false
	}
	return line[:i], line[i+1:], true
}

// Quantile sorts d.
func Quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[int(q*float64(len(d)-1))]
}

// Millis writes a duration as a figure.
func Millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1e3) }

// Noise is n bytes that do not compress, the same each time.
func Noise(n int) []byte {
	random := rand.NewChaCha8([32]byte{})
	b := make([]byte, n)
	_, _ = random.Read(b) // never fails
	return b
}
