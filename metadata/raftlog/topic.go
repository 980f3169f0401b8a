package raftlog

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// defaultTombstoneRetainMillis is Kafka's delete.retention.ms.
const defaultTombstoneRetainMillis = 24 * 60 * 60 * 1000

const (
	// expiredPerAppend and trimmedPerAppend bound the work of one append. They are above 1, so that a topic shrinks to its bound while it is written.
	expiredPerAppend = 4
	trimmedPerAppend = 256
	// maxTrimSlackBytes bounds what is kept beyond RetainBytes.
	maxTrimSlackBytes = 256 << 10
)

// topicState is what a topic's writer must remember. It is saved in the batch that carries the records.
type topicState struct {
	start, next    int64
	bytes          int64 // of all records, where the topic is not compacted
	maxTimestamp   int64
	firstTimestamp int64 // of the record at start, where the topic is not compacted
	tombstones     int64 // in a compacted topic
	tombstoneFrom  int64 // there is none below
}

func (s topicState) encode() []byte {
	var b []byte
	for _, v := range []int64{s.start, s.next, s.bytes, s.maxTimestamp, s.firstTimestamp, s.tombstones, s.tombstoneFrom} {
		b = binary.AppendVarint(b, v)
	}
	return b
}

func decodeTopicState(b []byte) (s topicState, err error) {
	for _, v := range []*int64{&s.start, &s.next, &s.bytes, &s.maxTimestamp, &s.firstTimestamp, &s.tombstones, &s.tombstoneFrom} {
		var n int
		if *v, n = binary.Varint(b); n <= 0 {
			return s, errors.New("the state of the topic is damaged")
		}
		b = b[n:]
	}
	return s, nil
}

// topicWriter appends one batch's records. What is kept depends on the records and the TopicConfig alone, record by record, so that replicas agree
// however their batches are cut.
type topicWriter struct {
	cfg     TopicConfig
	state   topicState
	records statestore.Tx // offset -> record
	keys    statestore.Tx // key -> offset and whether it is a tombstone, where compacted
	stones  statestore.Tx // offset -> timestamp of a tombstone, where compacted

	appended []Record
	removed  []int64 // offsets
}

func (w *topicWriter) append(r Record) {
	r.Offset = w.state.next
	if r.Offset == 0 || r.TimestampMillis > w.state.maxTimestamp {
		w.state.maxTimestamp = r.TimestampMillis
	}
	w.state.next++
	w.records.Set(offsetKey(r.Offset), encodeRecord(r))
	w.appended = append(w.appended, r)
	if w.cfg.Compacted {
		w.compact(r)
		return
	}
	if w.state.start == r.Offset {
		w.state.firstTimestamp = r.TimestampMillis
	}
	w.state.bytes += recordBytes(r)
	w.trim()
}

// compact removes what r replaces, and tombstones whose time is over.
func (w *topicWriter) compact(r Record) {
	if r.Key != nil {
		if previous, ok := w.keys.Get(r.Key); ok {
			offset, tombstone := decodeKeyIndex(previous)
			w.remove(offset)
			if tombstone {
				w.stones.Delete(offsetKey(offset))
				w.state.tombstones--
			}
		}
		w.keys.Set(r.Key, encodeKeyIndex(r.Offset, r.Value == nil))
	}
	if r.Key != nil && r.Value == nil {
		if w.state.tombstones == 0 {
			w.state.tombstoneFrom = r.Offset
		}
		w.state.tombstones++
		w.stones.Set(offsetKey(r.Offset), binary.AppendVarint(nil, r.TimestampMillis))
	}
	w.expireTombstones()
}

func (w *topicWriter) expireTombstones() {
	retain := w.cfg.TombstoneRetainMillis
	if retain == 0 {
		retain = defaultTombstoneRetainMillis
	}
	for range expiredPerAppend {
		if w.state.tombstones == 0 {
			return
		}
		offset, timestamp := int64(-1), int64(0)
		w.stones.Scan(offsetKey(w.state.tombstoneFrom), nil, func(key, value []byte) bool {
			offset = int64(binary.BigEndian.Uint64(key))
			timestamp, _ = binary.Varint(value)
			return false
		})
		w.state.tombstoneFrom = offset
		if timestamp > w.state.maxTimestamp-retain {
			return
		}
		value, _ := w.records.Get(offsetKey(offset))
		r, err := decodeRecord(offset, value)
		if err != nil {
			panic(&statestore.Failure{Op: "read a tombstone", Err: err})
		}
		w.keys.Delete(r.Key)
		w.stones.Delete(offsetKey(offset))
		w.remove(offset)
		w.state.tombstones--
		w.state.tombstoneFrom = offset + 1
	}
}

// trim moves the start of a topic that is not compacted. It waits until an eighth more than asked for is there, and then removes many records by one
// range: that costs a fraction of removing each as it becomes due. The last record stays, whatever its time.
func (w *topicWriter) trim() {
	bytes, millis := w.cfg.RetainBytes, w.cfg.RetainMillis
	tooMany := bytes > 0 && w.state.bytes > bytes+min(bytes/8, maxTrimSlackBytes)
	tooOld := millis > 0 && w.state.firstTimestamp < w.state.maxTimestamp-millis-millis/8
	if !tooMany && !tooOld {
		return
	}
	from, trimmed := w.state.start, 0
	w.records.Scan(offsetKey(from), nil, func(key, value []byte) bool {
		r, err := decodeRecord(keyOffset(key), value)
		if err != nil {
			panic(&statestore.Failure{Op: "trim a topic", Err: err})
		}
		w.state.start, w.state.firstTimestamp = r.Offset, r.TimestampMillis
		// As Kafka: at least so many bytes are kept.
		due := tooMany && w.state.bytes-recordBytes(r) >= bytes || tooOld && r.TimestampMillis < w.state.maxTimestamp-millis
		if !due || trimmed == trimmedPerAppend || r.Offset == w.state.next-1 {
			return false
		}
		trimmed++
		w.state.bytes -= recordBytes(r)
		return true
	})
	w.records.DeleteRange(offsetKey(from), offsetKey(w.state.start))
}

func (w *topicWriter) remove(offset int64) {
	w.records.Delete(offsetKey(offset))
	w.removed = append(w.removed, offset)
}

func recordBytes(r Record) int64 { return int64(len(r.Key) + len(r.Value)) }

func offsetKey(offset int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(offset)) }

func encodeKeyIndex(offset int64, tombstone bool) []byte {
	b := offsetKey(offset)
	if tombstone {
		return append(b, 1)
	}
	return append(b, 0)
}

func decodeKeyIndex(b []byte) (offset int64, tombstone bool) {
	return int64(binary.BigEndian.Uint64(b)), b[8] == 1
}

const (
	nullKey   = 1
	nullValue = 2
)

func encodeRecord(r Record) []byte {
	b := make([]byte, 1, 24+len(r.Key)+len(r.Value))
	if r.Key == nil {
		b[0] |= nullKey
	}
	if r.Value == nil {
		b[0] |= nullValue
	}
	b = binary.AppendVarint(b, r.TimestampMillis)
	b = binary.AppendUvarint(b, uint64(len(r.Key)))
	b = append(b, r.Key...)
	return append(b, r.Value...)
}

// decodeRecord aliases b.
func decodeRecord(offset int64, b []byte) (Record, error) {
	damaged := fmt.Errorf("the record at offset %d is damaged", offset)
	if len(b) < 1 {
		return Record{}, damaged
	}
	r, flags := Record{Offset: offset}, b[0]
	timestamp, n := binary.Varint(b[1:])
	if n <= 0 {
		return Record{}, damaged
	}
	b = b[1+n:]
	keySize, n := binary.Uvarint(b)
	if n <= 0 || keySize > uint64(len(b)-n) {
		return Record{}, damaged
	}
	b = b[n:]
	r.TimestampMillis = timestamp
	if flags&nullKey == 0 {
		r.Key = b[:keySize:keySize]
	}
	if flags&nullValue == 0 {
		r.Value = b[keySize:]
	}
	return r, nil
}

func keyOffset(key []byte) int64 { return int64(binary.BigEndian.Uint64(key)) }
