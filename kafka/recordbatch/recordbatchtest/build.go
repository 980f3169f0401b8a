package recordbatchtest

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/inkwell-project/inkwell/kafka/recordbatch"
)

// Spec describes a batch. The zero Producer is none.
type Spec struct {
	Codec         recordbatch.Codec
	Producer      *Producer
	Transactional bool
	Control       bool
	LogAppendTime bool
	BaseOffset    int64
	// Records get their index as offset delta. Their first timestamp becomes the base timestamp.
	Records []recordbatch.Record
	// BareSnappy leaves out the framing that Java's producer writes, as librdkafka may.
	BareSnappy bool
}

// Producer is an idempotent producer's state for one batch.
type Producer struct {
	ID       int64
	Epoch    int16
	Sequence int32
}

// Simple has n records with values of valueBytes bytes and the given timestamp.
func Simple(n, valueBytes int, timestamp int64) recordbatch.Batch {
	return Build(Spec{Records: Records(n, valueBytes, timestamp)})
}

// Records makes n records with keys of 4 bytes.
func Records(n, valueBytes int, timestamp int64) []recordbatch.Record {
	records := make([]recordbatch.Record, n)
	for i := range records {
		value := make([]byte, valueBytes)
		for j := range value {
			value[j] = byte((i*31 + j*j) >> 1)
		}
		records[i] = recordbatch.Record{Timestamp: timestamp, Key: binary.BigEndian.AppendUint32(nil, uint32(i)), Value: value}
	}
	return records
}

// Build makes the batch, with a correct CRC.
func Build(s Spec) recordbatch.Batch {
	base, greatest := recordbatch.NoTimestamp, recordbatch.NoTimestamp
	if len(s.Records) > 0 {
		base = s.Records[0].Timestamp
	}
	var body []byte
	for i, r := range s.Records {
		greatest = max(greatest, r.Timestamp)
		body = appendRecord(body, int32(i), r.Timestamp-base, r)
	}
	attributes := int16(s.Codec)
	for bit, set := range map[int16]bool{0x08: s.LogAppendTime, 0x10: s.Transactional, 0x20: s.Control} {
		if set {
			attributes |= bit
		}
	}
	producer := Producer{ID: recordbatch.NoProducerID, Epoch: recordbatch.NoProducerEpoch, Sequence: recordbatch.NoSequence}
	if s.Producer != nil {
		producer = *s.Producer
	}
	return Seal(s.BaseOffset, attributes, int32(len(s.Records))-1, base, greatest, producer, int32(len(s.Records)), Compress(s, body))
}

// Seal puts a header before records that are encoded and compressed already.
func Seal(baseOffset int64, attributes int16, lastOffsetDelta int32, base, greatest int64, p Producer, count int32, body []byte) recordbatch.Batch {
	b := binary.BigEndian.AppendUint64(nil, uint64(baseOffset))
	b = binary.BigEndian.AppendUint32(b, uint32(recordbatch.HeaderBytes-12+len(body)))
	b = binary.BigEndian.AppendUint32(b, 0xffffffff) // producers know no leader epoch
	b = append(b, 2, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(attributes))
	b = binary.BigEndian.AppendUint32(b, uint32(lastOffsetDelta))
	b = binary.BigEndian.AppendUint64(b, uint64(base))
	b = binary.BigEndian.AppendUint64(b, uint64(greatest))
	b = binary.BigEndian.AppendUint64(b, uint64(p.ID))
	b = binary.BigEndian.AppendUint16(b, uint16(p.Epoch))
	b = binary.BigEndian.AppendUint32(b, uint32(p.Sequence))
	b = binary.BigEndian.AppendUint32(b, uint32(count))
	batch := recordbatch.Batch(append(b, body...))
	batch.UpdateCRC()
	return batch
}

func appendRecord(b []byte, offsetDelta int32, timestampDelta int64, r recordbatch.Record) []byte {
	body := []byte{0}
	body = binary.AppendVarint(body, timestampDelta)
	body = binary.AppendVarint(body, int64(offsetDelta))
	body = appendNullable(body, r.Key)
	body = appendNullable(body, r.Value)
	body = binary.AppendVarint(body, int64(len(r.Headers)))
	for _, h := range r.Headers {
		body = binary.AppendVarint(body, int64(len(h.Key)))
		body = append(body, h.Key...)
		body = appendNullable(body, h.Value)
	}
	b = binary.AppendVarint(b, int64(len(body)))
	return append(b, body...)
}

func appendNullable(b, v []byte) []byte {
	if v == nil {
		return binary.AppendVarint(b, -1)
	}
	return append(binary.AppendVarint(b, int64(len(v))), v...)
}

// Compress is body as the spec's codec has it.
func Compress(s Spec, body []byte) []byte {
	var out bytes.Buffer
	switch s.Codec {
	case recordbatch.Gzip:
		finish(gzip.NewWriter(&out), body)
	case recordbatch.Snappy:
		if s.BareSnappy {
			return snappy.Encode(nil, body)
		}
		out.Write([]byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1})
		for len(body) > 0 {
			block := body[:min(len(body), 32<<10)]
			body = body[len(block):]
			encoded := snappy.Encode(nil, block)
			out.Write(binary.BigEndian.AppendUint32(nil, uint32(len(encoded))))
			out.Write(encoded)
		}
	case recordbatch.LZ4:
		finish(lz4.NewWriter(&out), body)
	case recordbatch.Zstd:
		w, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
		if err != nil {
			panic(err)
		}
		finish(w, body)
	default:
		return body
	}
	return out.Bytes()
}

func finish(w io.WriteCloser, body []byte) {
	if _, err := w.Write(body); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
}
