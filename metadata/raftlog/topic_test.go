package raftlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"pgregory.net/rapid"

	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// writer is a state machine that turns a command into records: three bytes each, key, value (0: tombstone) and milliseconds to go on.
type writer struct{}

func (writer) Apply(tx statestore.Tx, _ uint64, command []byte) (any, []Record, error) {
	now, _ := tx.Get([]byte("now"))
	clock := readCount(now)
	var records []Record
	for ; len(command) >= 3; command = command[3:] {
		clock += uint64(command[2])
		r := Record{Key: command[:1], TimestampMillis: int64(clock)}
		if command[1] != 0 {
			r.Value = command[1:2]
		}
		records = append(records, r)
	}
	tx.Set([]byte("now"), appendUvarint(clock))
	return nil, records, nil
}

func appendUvarint(v uint64) []byte {
	b := make([]byte, 0, 10)
	for ; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

// model is a topic as a plain list.
type model struct {
	cfg  TopicConfig
	list []Record
	next int64
	max  int64
}

func (m *model) append(r Record) {
	r.Offset = m.next
	m.next++
	m.max = max(m.max, r.TimestampMillis)
	kept := m.list[:0]
	for _, old := range m.list {
		if !m.cfg.Compacted || string(old.Key) != string(r.Key) {
			kept = append(kept, old)
		}
	}
	m.list = append(kept, r)
	if m.cfg.Compacted {
		m.expire()
		return
	}
	size := int64(0)
	for _, r := range m.list {
		size += recordBytes(r)
	}
	bytes, millis := m.cfg.RetainBytes, m.cfg.RetainMillis
	tooMany := bytes > 0 && size > bytes+bytes/8
	tooOld := millis > 0 && m.list[0].TimestampMillis < m.max-millis-millis/8
	for len(m.list) > 1 {
		first := m.list[0]
		if !(tooMany && size-recordBytes(first) >= bytes || tooOld && first.TimestampMillis < m.max-millis) {
			return
		}
		size -= recordBytes(first)
		m.list = m.list[1:]
	}
}

// expire removes the oldest tombstones whose time is over, a few at a time, and none before an older one.
func (m *model) expire() {
	for range expiredPerAppend {
		for i, r := range m.list {
			if r.Value != nil {
				continue
			}
			if r.TimestampMillis > m.max-m.cfg.TombstoneRetainMillis {
				return
			}
			m.list = append(m.list[:i:i], m.list[i+1:]...)
			break
		}
	}
}

func (m *model) start() int64 {
	if m.cfg.Compacted || len(m.list) == 0 {
		return 0
	}
	return m.list[0].Offset
}

func (m *model) from(offset int64) (rs []Record) {
	for _, r := range m.list {
		if r.Offset >= offset {
			rs = append(rs, r)
		}
	}
	return rs
}

// TestTopicsAreTheirModel: what is kept of a topic is the same as in a plain list, read in any pieces, from memory and from the store.
func TestTopicsAreTheirModel(t *testing.T) {
	n := openNode(t, vfs.NewMem(), func(c *Config) { c.TailRecords = 6 })
	id := uint64(0)
	rapid.Check(t, func(t *rapid.T) {
		id++
		cfg := rapid.SampledFrom([]TopicConfig{
			{}, {Compacted: true, TombstoneRetainMillis: 20}, {RetainBytes: 10}, {RetainMillis: 30}, {RetainBytes: 20, RetainMillis: 50},
		}).Draw(t, "topic")
		l, err := n.StartGroup(GroupConfig{ID: id, Name: fmt.Sprint("t-", id), Machine: writer{}, Topic: cfg, Voters: []int32{0}})
		if err != nil {
			t.Fatal(err)
		}
		waitLeader(n.t, l)
		m := &model{cfg: cfg}
		for range rapid.IntRange(1, 12).Draw(t, "commands") {
			var command []byte
			for range rapid.IntRange(1, 6).Draw(t, "records") {
				command = append(command, rapid.SampledFrom([]byte("abcd")).Draw(t, "key"), rapid.SampledFrom([]byte{0, 1, 2}).Draw(t, "value"),
					rapid.SampledFrom([]byte{0, 1, 9, 40}).Draw(t, "millis"))
			}
			if _, err := l.Propose(context.Background(), command); err != nil {
				t.Fatal(err)
			}
			now := m.max
			for ; len(command) >= 3; command = command[3:] {
				now += int64(command[2])
				r := Record{Key: command[:1], TimestampMillis: now}
				if command[1] != 0 {
					r.Value = command[1:2]
				}
				m.append(r)
			}
			if start, next := l.Bounds(); start != m.start() || next != m.next {
				t.Fatalf("bounds %d to %d, want %d to %d", start, next, m.start(), m.next)
			}
			for _, maxBytes := range []int{1, 5, 1 << 20} {
				offset := rapid.Int64Range(m.start(), m.next).Draw(t, "offset")
				var got []Record
				for at := offset; at < m.next; {
					records, err := l.Read(at, maxBytes)
					if err != nil {
						t.Fatal(err)
					}
					if len(records) == 0 {
						break
					}
					got = append(got, records...)
					at = records[len(records)-1].Offset + 1
				}
				if diff := cmp.Diff(m.from(offset), got); diff != "" {
					t.Fatalf("%+v from %d: %s", cfg, offset, diff)
				}
			}
		}
		for _, offset := range []int64{m.start() - 1, m.next + 1} {
			if _, err := l.Read(offset, 1); !errors.Is(err, kerr.OffsetOutOfRange) {
				t.Fatal(err)
			}
		}
		if err := n.RemoveGroup(id); err != nil {
			t.Fatal(err)
		}
	})
}

// TestRecordsRoundTrip keeps null apart from empty.
func TestRecordsRoundTrip(t *testing.T) {
	for _, r := range []Record{{}, {Key: []byte{}, Value: []byte{}}, {Key: []byte("k")}, {Value: []byte("v"), TimestampMillis: -1}, {Offset: 9, Key: []byte("k"), Value: []byte("v"), TimestampMillis: 5}} {
		got, err := decodeRecord(r.Offset, encodeRecord(r))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, got); diff != "" {
			t.Fatal(diff)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encodeRecord(Record{Key: []byte("k")}))
	f.Fuzz(func(t *testing.T, b []byte) { // no panic, whatever a disk returns
		_, _ = decodeRecord(0, b)
		_, _ = decodeTopicState(b)
		_, _ = decodeApplied(b)
		_, _, _ = decodeEntry(b)
		_, _ = decodeControl(b)
		if s, err := openStream(bytes.NewReader(b)); err == nil {
			for kind := byte(1); kind != 0 && err == nil; {
				kind, _, _, err = s.next()
			}
		}
	})
}

func TestWaitWakesAll(t *testing.T) {
	n := openNode(t, vfs.NewMem(), nil)
	g := n.start(1, TopicConfig{})
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			for offset := int64(0); offset < 10; {
				if err := g.Wait(context.Background(), offset); err != nil {
					t.Error(err)
				}
				records, err := g.Read(offset, 1<<20)
				if err != nil || len(records) == 0 {
					t.Error(len(records), err)
				}
				offset += int64(len(records))
			}
		})
	}
	for i := range 10 {
		propose(t, g, fmt.Sprint(i))
	}
	all.Wait()
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("enough"))
	if err := g.Wait(ctx, 10); err == nil || err.Error() != "enough" {
		t.Fatal(err)
	}
}
