package objectverify

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/objectformat"
	"github.com/inkwell-project/inkwell/objectstorage"
)

// inspection prints one object.
type inspection struct {
	bucket  objectstorage.Bucket
	key     string
	size    int64
	batches bool
	out     *bufio.Writer
	damages int
	buf     []byte
}

// Inspect prints an object's header, footer, segments, indexes and, if wanted, batches to w, and how many damages it has; each is printed where it is. It goes on behind a
// damage as far as it can tell where things are.
func Inspect(ctx context.Context, b objectstorage.Bucket, key string, batches bool, w io.Writer) (damages int, err error) {
	buf := chunks.Get().(*[]byte)
	defer chunks.Put(buf)
	i := &inspection{bucket: b, key: key, batches: batches, out: bufio.NewWriter(w), buf: *buf}
	err = i.object(objectstorage.WithPurpose(ctx, "inspect"))
	return i.damages, errors.Join(err, i.out.Flush())
}

func (i *inspection) printf(format string, args ...any) { fmt.Fprintf(i.out, format, args...) }

// damaged prints a fault; other errors end the inspection.
func (i *inspection) damaged(err error) error {
	var wrong *fault
	if !errors.As(err, &wrong) {
		return err
	}
	i.damages++
	i.printf("  DAMAGED: %s\n", wrong.text)
	return nil
}

func (i *inspection) object(ctx context.Context) error {
	info, err := i.bucket.Head(ctx, i.key)
	if err != nil {
		return fmt.Errorf("reading %s in %s: %w", i.key, i.bucket, err)
	}
	i.size = info.Bytes
	i.printf("object %s: %d bytes, stored %s\n", i.key, info.Bytes, info.Modified.UTC().Format(time.RFC3339))
	footer, err := readFooter(ctx, i.bucket, i.key, info.Bytes)
	if err != nil {
		if err := i.damaged(err); err != nil {
			return err
		}
		return i.withoutFooter(ctx)
	}
	i.printf("format %d, written as object %s of cluster %s: %d segments, %d bytes of footer\n", footer.Version, footer.Object, footer.Cluster, len(footer.Segments), i.size-endOf(footer))
	if id, ok := kafka.ParseObjectKey(clusterOf(i.key), i.key); !ok || id != footer.Object || clusterOf(i.key) != footer.Cluster {
		i.damages++
		i.printf("  DAMAGED: its key does not say so\n")
	}
	for _, s := range footer.Segments {
		if err := i.segment(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// clusterOf is the first folder of a key.
func clusterOf(key string) kafka.ClusterID {
	name, _, _ := strings.Cut(key, "/")
	return kafka.ClusterID(name)
}

// endOf is where segments and indexes end.
func endOf(f *objectformat.Footer) int64 {
	end := int64(objectformat.HeaderBytes)
	for _, s := range f.Segments {
		end = max(end, s.Position+s.Bytes, s.IndexPosition+int64(s.IndexBytes))
	}
	return end
}

func (i *inspection) segment(ctx context.Context, s objectformat.Segment) error {
	i.printf("segment of %s: bytes %d to %d, %d batches, %d records, max timestamp %s, CRC %08x", s.Partition, s.Position, s.Position+s.Bytes, s.Batches, s.Records, timestamp(s.MaxTimestamp), s.CRC)
	if s.BaseOffset >= 0 {
		i.printf(", offsets %d to %d", s.BaseOffset, s.LastOffset)
	}
	if s.IndexBytes > 0 {
		i.printf(", index of %d bytes at %d", s.IndexBytes, s.IndexPosition)
	}
	i.printf("\n")
	var index objectformat.Index
	if s.IndexBytes > 0 {
		var err error
		if index, err = readIndex(ctx, i.bucket, i.key, s); err != nil {
			if err := i.damaged(err); err != nil {
				return err
			}
		}
		for _, e := range index {
			i.printf("  index: byte %d begins with offset %d, max timestamp %s\n", s.Position+e.Position, e.BaseOffset, timestamp(e.MaxTimestamp))
		}
	}
	err := scanSegment(ctx, i.bucket, i.key, s, i.buf, func(at int64, b recordbatch.Batch, wrong error) error {
		var err error
		if index, err = follow(index, at-s.Position, at, b); err != nil {
			if err := i.damaged(err); err != nil {
				return err
			}
		}
		i.batch(at, b)
		if wrong != nil {
			return i.damaged(wrong)
		}
		return nil
	})
	if err == nil && len(index) > 0 {
		err = mismatchf("the index says that a batch begins at byte %d, none does", s.Position+index[0].Position)
	}
	if err != nil {
		return i.damaged(err)
	}
	return nil
}

// batch prints one.
func (i *inspection) batch(at int64, b recordbatch.Batch) {
	if !i.batches {
		return
	}
	if b.Magic() != 2 {
		i.printf("  batch at %d: %d bytes, magic %d\n", at, len(b), b.Magic())
		return
	}
	i.printf("  batch at %d: %d bytes, offsets %d to %d, %d records, codec %s, max timestamp %s", at, len(b), b.BaseOffset(), b.LastOffset(), b.RecordsCount(), b.Codec(), timestamp(b.MaxTimestamp()))
	if b.IsLogAppendTime() {
		i.printf(" (append time)")
	}
	if b.ProducerID() != recordbatch.NoProducerID {
		i.printf(", producer %d epoch %d sequence %d to %d", b.ProducerID(), b.ProducerEpoch(), b.BaseSequence(), b.LastSequence())
	}
	if b.IsTransactional() {
		i.printf(", transactional")
	}
	if b.IsControl() {
		i.printf(", control")
	}
	i.printf(", leader epoch %d, CRC %08x\n", b.PartitionLeaderEpoch(), b.CRC())
}

func timestamp(millis int64) string {
	if millis < 0 {
		return "none"
	}
	return time.UnixMilli(millis).UTC().Format("2006-01-02T15:04:05.000Z")
}

// withoutFooter prints the batches that lie one after the other behind the header, and where that ends: nothing says whose they are.
func (i *inspection) withoutFooter(ctx context.Context) error {
	i.printf("without its footer nothing says which partitions these batches belong to:\n")
	at, found := int64(objectformat.HeaderBytes), 0
	for at+recordbatch.HeaderBytes <= i.size {
		head := make([]byte, recordbatch.HeaderBytes)
		if err := i.bucket.GetRange(ctx, i.key, at, head); err != nil {
			return i.damaged(storeError(i.key, err))
		}
		size, err := batchSize(head, at, i.size)
		if err != nil || recordbatch.Batch(head).Magic() != 2 {
			break
		}
		b := make(recordbatch.Batch, size)
		if err := i.bucket.GetRange(ctx, i.key, at, b); err != nil {
			return i.damaged(storeError(i.key, err))
		}
		wrong := checkBatch(b, at)
		i.batch(at, b)
		if wrong != nil {
			if err := i.damaged(wrong); err != nil {
				return err
			}
		}
		at, found = at+size, found+1
	}
	i.printf("%d batches up to byte %d of %d\n", found, at, i.size)
	return nil
}
