package objectstorage

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/inkwell-project/inkwell/internal/clock"
)

type op string

const (
	opPut    op = "put"
	opGet    op = "get"
	opHead   op = "head"
	opList   op = "list"
	opDelete op = "delete"
)

var ops = []op{opPut, opGet, opHead, opList, opDelete}

// Names and help of what is measured, for each request, repeated ones included.
var (
	requestsOpts = prometheus.CounterOpts{Name: "inkwell_objectstorage_requests_total",
		Help: "Requests to the object store, by operation and outcome. Repeated requests count each."}
	bytesOpts = prometheus.CounterOpts{Name: "inkwell_objectstorage_bytes_total",
		Help: "Bytes of objects that successful requests wrote and read, by operation."}
	secondsOpts = prometheus.HistogramOpts{Name: "inkwell_objectstorage_request_seconds",
		Help:    "Duration of one request, failed ones included, by operation.",
		Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 20}}
	inFlightOpts = prometheus.GaugeOpts{Name: "inkwell_objectstorage_requests_in_flight",
		Help: "Requests that wait for the object store, by operation. With an old last success: stuck, not idle."}
	ageOpts = prometheus.GaugeOpts{Name: "inkwell_objectstorage_last_success_age_seconds",
		Help: "Seconds since the last successful request, by operation; since the start if there was none."}
)

type metrics struct {
	clock    clock.Clock
	requests *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight *prometheus.GaugeVec
	success  map[op]*atomic.Int64 // nanoseconds since 1970
}

// newMetrics shares the collectors of a registerer that has them already: two buckets in one process are one store to
// an operator. The age is then of the first one's.
func newMetrics(reg prometheus.Registerer, c clock.Clock) (*metrics, error) {
	m := &metrics{
		clock:    c,
		requests: prometheus.NewCounterVec(requestsOpts, []string{"op", "outcome"}),
		bytes:    prometheus.NewCounterVec(bytesOpts, []string{"op"}),
		seconds:  prometheus.NewHistogramVec(secondsOpts, []string{"op"}),
		inFlight: prometheus.NewGaugeVec(inFlightOpts, []string{"op"}),
		success:  map[op]*atomic.Int64{},
	}
	now := c.Now().UnixNano()
	for _, op := range ops {
		m.success[op] = new(atomic.Int64)
		m.success[op].Store(now)
	}
	if reg == nil {
		return m, nil
	}
	err := errors.Join(
		registerShared(reg, &m.requests), registerShared(reg, &m.bytes),
		registerShared(reg, &m.seconds), registerShared(reg, &m.inFlight),
	)
	for _, op := range ops {
		opts := ageOpts
		opts.ConstLabels = prometheus.Labels{"op": string(op)}
		age := prometheus.NewGaugeFunc(opts, func() float64 {
			return c.Now().Sub(time.Unix(0, m.success[op].Load())).Seconds()
		})
		err = errors.Join(err, registerShared(reg, &age))
	}
	return m, err
}

func registerShared[C prometheus.Collector](reg prometheus.Registerer, collector *C) error {
	err := reg.Register(*collector)
	var taken prometheus.AlreadyRegisteredError
	if errors.As(err, &taken) {
		if there, ok := taken.ExistingCollector.(C); ok {
			*collector = there
			return nil
		}
	}
	return err
}

// begin counts a request; the function it returns counts its end.
func (m *metrics) begin(op op) func(err error, bytes int64) {
	start := m.clock.Now()
	inFlight := m.inFlight.WithLabelValues(string(op))
	inFlight.Inc()
	return func(err error, bytes int64) {
		now := m.clock.Now()
		inFlight.Dec()
		m.seconds.WithLabelValues(string(op)).Observe(now.Sub(start).Seconds())
		m.requests.WithLabelValues(string(op), outcome(err)).Inc()
		if err == nil {
			m.bytes.WithLabelValues(string(op)).Add(float64(bytes))
			m.success[op].Store(now.UnixNano())
		}
	}
}

// outcome is one of few words, so that the label stays small.
func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, ErrExists):
		return "exists"
	case errors.Is(err, ErrNotFound):
		return "not_found"
	case errors.Is(err, ErrThrottled):
		return "throttled"
	case errors.Is(err, ErrDenied):
		return "denied"
	case errors.Is(err, ErrFull):
		return "full"
	case errors.Is(err, ErrShortRead):
		return "short_read"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	return "error"
}

const levelWarn = slog.LevelWarn

func retryAttrs(op op, key string, attempt int, wait time.Duration, err error) []slog.Attr {
	return []slog.Attr{
		slog.String("op", string(op)), slog.String("object", key), slog.Int("attempt", attempt),
		slog.Duration("wait", wait), slog.Any("error", err),
	}
}
