package cachemanager

import (
	"context"
	"encoding/binary"
	"hash/crc32"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// job is what a compaction job does to the coordinates [from, to) of a partition: their batches lie in one new object, stamped.
type job struct {
	p        int32
	from, to int
	interval int64 // bytes between two entries of the index
	noIndex  bool
	badIndex bool
	deletes  bool             // the old objects go at once
	drops    func(int64) bool // key compaction takes out the batch with this base offset
}

// replace does a job. What key compaction leaves may begin and end in the midst of the range.
func (w *world) replace(j job) kafka.ObjectID {
	w.t.Helper()
	w.coord.mu.Lock()
	defer w.coord.mu.Unlock()
	l := w.coord.log(tp(j.p))
	old := append([]rpc.Coordinate(nil), l.coordinates[j.from:j.to]...)
	rec := &topics.CoordinatesReplaced{Partition: tp(j.p), BaseOffset: old[0].BaseOffset, LastOffset: old[len(old)-1].LastOffset}
	id := kafka.ObjectID{Epoch: 8, Sequence: w.next}
	w.next++
	x := rpc.Coordinate{Object: id, Position: 8, BaseOffset: rec.BaseOffset, LastOffset: rec.LastOffset, MaxTimestamp: -1, AppendTimestamp: -1, Stamped: true}
	body := [][]byte{make([]byte, 8)}
	var index []byte
	var size, indexed int64
	entry := 0
	for _, b := range l.batches {
		if b.BaseOffset() < rec.BaseOffset || b.LastOffset() > rec.LastOffset || l.compacted[b.BaseOffset()] {
			continue
		}
		if b.LastOffset()+1 < l.highWatermark && j.drops != nil && j.drops(b.BaseOffset()) {
			if l.compacted == nil {
				l.compacted = map[int64]bool{}
			}
			l.compacted[b.BaseOffset()] = true
			continue
		}
		if len(index) == 0 || size-indexed >= j.interval {
			index = binary.BigEndian.AppendUint64(index, uint64(size))
			index = binary.BigEndian.AppendUint64(index, uint64(b.BaseOffset()))
			entry = len(index)
			index = binary.BigEndian.AppendUint64(index, uint64(b.MaxTimestamp()))
			indexed = size
		}
		binary.BigEndian.PutUint64(index[entry:], uint64(max(b.MaxTimestamp(), int64(binary.BigEndian.Uint64(index[entry:])))))
		body = append(body, recordbatch.Batch(append([]byte(nil), b...)))
		size += int64(len(b))
		x.Batches++
		x.MaxTimestamp = max(x.MaxTimestamp, b.MaxTimestamp())
	}
	x.Bytes = int32(size)
	if !j.noIndex && len(index) > 0 {
		block := binary.BigEndian.AppendUint32([]byte{0, 1, 0, 0}, uint32(len(index)/24))
		block = append(block, index...)
		block = binary.BigEndian.AppendUint32(block, crc32.Checksum(block, crc32.MakeTable(crc32.Castagnoli)))
		if j.badIndex {
			block[9]++
		}
		x.IndexPosition, x.IndexBytes = 8+size, int32(len(block))
		body = append(body, block)
	}
	var now []rpc.Coordinate
	if size > 0 {
		if err := w.bucket.PutIfAbsent(context.Background(), id.Key(cluster), append(body, []byte("footer"))); err != nil {
			w.t.Fatal(err)
		}
		now = append(now, x)
		rec.Coordinates = append(rec.Coordinates, topics.ReplacingCoordinate{Object: id, CommittedCoordinate: topics.CommittedCoordinate{
			Position: x.Position, Bytes: x.Bytes, BaseOffset: x.BaseOffset, LastOffset: x.LastOffset, MaxTimestamp: x.MaxTimestamp,
			AppendTimestamp: -1, Batches: x.Batches, Stamped: true, IndexPosition: x.IndexPosition, IndexBytes: x.IndexBytes,
		}})
	}
	l.coordinates = append(append(append([]rpc.Coordinate(nil), l.coordinates[:j.from]...), now...), l.coordinates[j.to:]...)
	w.coord.record(rec)
	if j.deletes {
		w.deleteUnreferenced(old)
	}
	return id
}

// deleteUnreferenced is called under coord.mu.
func (w *world) deleteUnreferenced(old []rpc.Coordinate) {
	live := map[kafka.ObjectID]bool{}
	for _, l := range w.coord.logs {
		for _, c := range l.coordinates {
			live[c.Object] = true
		}
	}
	for _, c := range old {
		if !live[c.Object] {
			for _, err := range w.bucket.DeleteMany(context.Background(), []string{c.Object.Key(cluster)}) {
				if err != nil {
					w.t.Fatal(err)
				}
			}
		}
	}
}
