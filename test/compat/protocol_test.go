package compat

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// request is one line to a driver. Which fields matter depends on Op.
type request struct {
	ID        int               `json:"id"`
	Op        string            `json:"op"`
	Topic     string            `json:"topic,omitempty"`
	Topics    []string          `json:"topics,omitempty"`
	Partition int32             `json:"partition"`
	Parts     int32             `json:"partitions,omitempty"`
	Configs   map[string]string `json:"configs,omitempty"`
	Offset    *int64            `json:"offset,omitempty"`
	Timestamp *int64            `json:"timestamp,omitempty"`
	Spec      string            `json:"spec,omitempty"` // earliest, latest, max_timestamp, timestamp
	Count     int               `json:"count,omitempty"`
	TimeoutMS int               `json:"timeout_ms,omitempty"`
	Reset     string            `json:"reset,omitempty"` // none, earliest, latest

	Config  *producerConfig `json:"config,omitempty"`
	Records []record        `json:"records,omitempty"`

	Name             string   `json:"name,omitempty"` // of a group member, in the driver
	Group            string   `json:"group,omitempty"`
	Instance         string   `json:"instance,omitempty"`
	Assignor         string   `json:"assignor,omitempty"` // range, cooperative-sticky
	SessionTimeoutMS int      `json:"session_timeout_ms,omitempty"`
	Offsets          []commit `json:"offsets,omitempty"`
}

// producerConfig names a producer of the driver: equal configs share one for as long as the driver runs.
type producerConfig struct {
	Acks       string `json:"acks"` // 0, 1, all
	Codec      string `json:"codec"`
	Idempotent bool   `json:"idempotent"`
	LingerMS   int    `json:"linger_ms"`
	Number     int    `json:"number,omitempty"`      // tells producers apart that have the same settings
	BatchBytes int    `json:"batch_bytes,omitempty"` // 0: the client's own choice
}

type commit struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Metadata  string `json:"metadata"`
}

// record is a record as the clients see it; nil is Kafka's null and differs from empty.
type record struct {
	Topic     string   `json:"topic,omitempty"`
	Partition int32    `json:"partition"`
	Offset    int64    `json:"offset"`
	Timestamp int64    `json:"timestamp,omitempty"`
	Key       []byte   `json:"key"`
	Value     []byte   `json:"value"`
	Headers   []header `json:"headers,omitempty"`
}

type header struct {
	Key   string `json:"key"`
	Value []byte `json:"value"`
}

func equalBytes(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// differs says how a record that was read differs from the one that was written, empty when it does not. Sizes instead of contents keep a message about 1 MB readable.
func (r record) differs(want record) string {
	switch {
	case !equalBytes(r.Key, want.Key):
		return fmt.Sprintf("key is %s, want %s", brief(r.Key), brief(want.Key))
	case !equalBytes(r.Value, want.Value):
		return fmt.Sprintf("value is %s, want %s", brief(r.Value), brief(want.Value))
	case want.Timestamp != 0 && r.Timestamp != want.Timestamp:
		return fmt.Sprintf("timestamp is %d, want %d", r.Timestamp, want.Timestamp)
	case len(r.Headers) != len(want.Headers):
		return fmt.Sprintf("%d headers, want %d", len(r.Headers), len(want.Headers))
	}
	for i, h := range r.Headers {
		if h.Key != want.Headers[i].Key || !equalBytes(h.Value, want.Headers[i].Value) {
			return fmt.Sprintf("header %d is %s=%s, want %s=%s", i, h.Key, brief(h.Value), want.Headers[i].Key, brief(want.Headers[i].Value))
		}
	}
	return ""
}

func brief(b []byte) string {
	if b == nil {
		return "null"
	}
	return fmt.Sprintf("%.20q (%d bytes)", b, len(b))
}

type topicPartition struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
}

// answer is one line of a driver.
type answer struct {
	ID         int              `json:"id"`
	Code       int16            `json:"code"`
	Error      string           `json:"error"`
	Partitions int              `json:"partitions"`
	Offset     int64            `json:"offset"`
	Timestamp  int64            `json:"timestamp"`
	Metadata   string           `json:"metadata"`
	Offsets    []int64          `json:"offsets"`
	Acked      int              `json:"acked"`
	Records    []record         `json:"records"`
	Assignment []topicPartition `json:"assignment"`
	Rebalances int              `json:"rebalances"`
}

// err is nil for success, Kafka's error where the client had one.
func (a answer) err() error {
	if a.Error == "" {
		return nil
	}
	if e := kerr.ErrorForCode(a.Code); a.Code > 0 && e != nil {
		return fmt.Errorf("%w (%s)", e, a.Error)
	}
	return fmt.Errorf("client error %d: %s", a.Code, a.Error)
}

// codeOf is Kafka's code in an error, if there is one.
func codeOf(err error) (int16, bool) {
	var e *kerr.Error
	if !errors.As(err, &e) {
		return 0, false
	}
	return e.Code, true
}

func ptr[T any](v T) *T { return &v }
