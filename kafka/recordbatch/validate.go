package recordbatch

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Limits are the settings of a topic that a produced batch is checked against.
type Limits struct {
	MaxMessageBytes int32 // max.message.bytes
	NowMillis       int64
	// LogAppendTime is message.timestamp.type=LogAppendTime: the records' own timestamps do not count.
	LogAppendTime bool
	// message.timestamp.before.max.ms and message.timestamp.after.max.ms
	TimestampBeforeMaxMillis int64
	TimestampAfterMaxMillis  int64
	// Compacted: cleanup.policy contains compact, and records must have keys.
	Compacted bool
}

// zstdSince is the first version of Produce that may carry zstd.
const zstdSince = 7

// Single is the one batch that Kafka accepts for a partition in a Produce request of the given version. Bytes after it that are not a whole batch are cut off,
// as Kafka does.
func Single(records []byte, produceVersion int16) (Batch, error) {
	b, rest, err := Next(records)
	if errors.Is(err, ErrTruncated) {
		return nil, fmt.Errorf("%w: a partition needs one record batch, got %d bytes that are none", kerr.InvalidRecord, len(records))
	}
	if err != nil {
		return nil, err
	}
	if b.Magic() != magicV2 {
		return nil, fmt.Errorf("%w: the record batch has magic %d, only 2 is accepted", kerr.InvalidRecord, b.Magic())
	}
	if produceVersion < zstdSince && b.Codec() == Zstd {
		return nil, fmt.Errorf("%w: zstd needs Produce version %d, got %d", kerr.UnsupportedCompressionType, zstdSince, produceVersion)
	}
	switch _, _, err := Next(rest); {
	case err == nil:
		return nil, fmt.Errorf("%w: more than one record batch for a partition", kerr.InvalidRecord)
	case !errors.Is(err, ErrTruncated):
		return nil, err
	}
	return b, nil
}

// Validate checks a batch that Single returned, header and records. It corrects the header's max timestamp and timestamp type
// if they are not what the records say, and sets the leader epoch.
func Validate(b Batch, l *Limits, leaderEpoch int32) error {
	if err := validateHeader(b, l); err != nil {
		return err
	}
	maxTimestamp, err := ValidateRecords(b, l)
	if err != nil {
		return err
	}
	// With LogAppendTime, too: the append time is known only when the batch is committed, and whoever serves it writes it.
	b.SetCreateTime(maxTimestamp)
	b.SetPartitionLeaderEpoch(leaderEpoch)
	return nil
}

// validateHeader checks what can be checked without the records, and the CRC.
func validateHeader(b Batch, l *Limits) error {
	if b.BaseOffset() != 0 {
		return fmt.Errorf("%w: the base offset of a produced record batch must be 0, got %d", kerr.InvalidRecord, b.BaseOffset())
	}
	if int64(len(b)) > int64(l.MaxMessageBytes) {
		return fmt.Errorf("%w: a record batch of %d bytes, max.message.bytes is %d", kerr.MessageTooLarge, len(b), l.MaxMessageBytes)
	}
	if got := b.ComputeCRC(); got != b.CRC() {
		return fmt.Errorf("%w: the record batch's CRC is %08x, stored is %08x", kerr.CorruptMessage, got, b.CRC())
	}
	if b.Codec() > Zstd {
		return unknownCodec(b)
	}
	count := b.RecordsCount()
	switch {
	case b.LastOffsetDelta() < 0:
		return fmt.Errorf("%w: the record batch's last offset delta is %d", kerr.InvalidRecord, b.LastOffsetDelta())
	case count <= 0:
		return fmt.Errorf("%w: the record batch claims %d records", kerr.InvalidRecord, count)
	case b.LastOffsetDelta() != count-1:
		return fmt.Errorf("%w: the record batch claims %d records and a last offset delta of %d", kerr.InvalidRecord, count, b.LastOffsetDelta())
	case b.IsControl():
		return fmt.Errorf("%w: clients may not write control records", kerr.InvalidRecord)
	case b.ProducerID() > NoProducerID && b.BaseSequence() < 0:
		return fmt.Errorf("%w: sequence number %d in a record batch of producer %d", kerr.InvalidRecord, b.BaseSequence(), b.ProducerID())
	case b.ProducerID() > NoProducerID && b.ProducerEpoch() < 0: // Kafka takes -1 of a producer that the partition does not know, and never again
		return fmt.Errorf("%w: epoch %d in a record batch of producer %d", kerr.InvalidProducerEpoch, b.ProducerEpoch(), b.ProducerID())
	}
	return nil
}

// unknownCodec is UNKNOWN_SERVER_ERROR, which is what Kafka makes of an unknown number there.
func unknownCodec(b Batch) error {
	return fmt.Errorf("%w: the record batch has compression type %d, known are 0 to 4", kerr.UnknownServerError, b.Codec())
}

// RecordError says what is wrong with one record, for the produce answer's record_errors.
type RecordError struct {
	Index   int32
	Message string
}

// RecordsError is INVALID_RECORD or INVALID_TIMESTAMP with the records that caused it. Kafka lists them all; here the first maxRecordErrors.
type RecordsError struct {
	Kafka   *kerr.Error
	Records []RecordError
}

const maxRecordErrors = 32

func (e *RecordsError) Error() string {
	return fmt.Sprintf("%s: record %d: %s", e.Kafka.Message, e.Records[0].Index, e.Records[0].Message)
}

func (e *RecordsError) Unwrap() error { return e.Kafka }

func (e *RecordsError) add(kafka *kerr.Error, index int32, format string, args ...any) *RecordsError {
	if e == nil {
		e = &RecordsError{Kafka: kafka}
	}
	if kafka == kerr.InvalidTimestamp {
		e.Kafka = kafka // it wins over INVALID_RECORD
	}
	if len(e.Records) < maxRecordErrors {
		e.Records = append(e.Records, RecordError{index, fmt.Sprintf(format, args...)})
	}
	return e
}

// ValidateRecords walks the records, decompressing them without keeping them, and returns their greatest timestamp. It checks that they are as many as the header
// says, with offsets without gaps, well formed, with keys where the topic needs them and with acceptable timestamps. Kafka renumbers the records of a
// compressed batch with odd offset deltas and stores an uncompressed one as it is; both are refused here, for no client writes them.
// The cost without compression is that of some varints per record; nothing is copied.
func ValidateRecords(b Batch, l *Limits) (maxTimestamp int64, err error) {
	maxTimestamp = NoTimestamp
	err = withStream(b, func(s *stream) error {
		var refused *RecordsError
		w := walk{s: s, base: b.BaseTimestamp(), forced: b.IsLogAppendTime(), appendTime: b.MaxTimestamp()}
		for i := range b.RecordsCount() {
			timestamp, hasKey, ok := w.plainRecord(i)
			if !ok {
				if timestamp, hasKey, err = w.record(i); err != nil {
					return err
				}
			}
			refused = checkRecord(refused, i, timestamp, hasKey, w.forced, l)
			maxTimestamp = max(maxTimestamp, timestamp)
		}
		end, err := s.atEnd()
		switch {
		case err != nil:
			return err
		case !end:
			return fmt.Errorf("%w: bytes follow the %d records that the batch claims", kerr.InvalidRecord, b.RecordsCount())
		case refused != nil:
			return refused
		}
		return nil
	})
	return maxTimestamp, err
}

func checkRecord(e *RecordsError, i int32, timestamp int64, hasKey, appendTimeSet bool, l *Limits) *RecordsError {
	if l.Compacted && !hasKey {
		return e.add(kerr.InvalidRecord, i, "a compacted topic needs records with keys")
	}
	if !l.LogAppendTime && timestamp != NoTimestamp {
		if age := l.NowMillis - timestamp; age > l.TimestampBeforeMaxMillis || -age > l.TimestampAfterMaxMillis {
			return e.add(kerr.InvalidTimestamp, i, "timestamp %d is not within [%d, %d] (message.timestamp.before.max.ms, message.timestamp.after.max.ms)",
				timestamp, l.NowMillis-l.TimestampBeforeMaxMillis, l.NowMillis+l.TimestampAfterMaxMillis)
		}
	} else if appendTimeSet {
		return e.add(kerr.InvalidTimestamp, i, "producers may not set the timestamp type to LogAppendTime")
	}
	return e
}
