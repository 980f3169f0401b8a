package state

import (
	"encoding/binary"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/rpc"
)

// maxPagePartitions bounds the partitions of a page, empty ones included.
const maxPagePartitions = 1000

// DescribeCoordinates reads a page of coordinates from a place on.
func DescribeCoordinates(r statestore.Reader, from kafka.TopicIDPartition, offset int64, limit int) *rpc.DescribeCoordinatesResponse {
	resp := &rpc.DescribeCoordinatesResponse{}
	r.Scan(appendPartitionKey(nil, prefixPartition, from), []byte{prefixPartition + 1}, func(k, v []byte) bool {
		if len(resp.Partitions) == min(maxPagePartitions, limit) {
			resp.More = true
			return false
		}
		p := readPartition(v)
		resp.Partitions = append(resp.Partitions, rpc.PartitionCoordinates{Partition: partitionOf(k), LogStartOffset: p.LogStartOffset, HighWatermark: p.HighWatermark,
			Bytes: p.Bytes, Count: p.Coordinates})
		return true
	})
	for i := range resp.Partitions {
		p := &resp.Partitions[i]
		if p.Partition != from {
			offset = 0
		}
		p.Deleting = TopicDeleted(r, p.Partition.ID)
		if v, ok := r.Get(appendPartitionKey(nil, prefixUpkeep, p.Partition)); ok {
			u := readUpkeep(v)
			p.HolesBelow = u.cleanEnd
		}
		p.Complete = true
		scanCoordinates(r, p.Partition, offset, func(c coordinate) bool {
			if limit <= 0 {
				p.Complete = false
				return false
			}
			limit--
			p.Coordinates = append(p.Coordinates, c.Coordinate)
			return true
		})
		if limit <= 0 && i+1 < len(resp.Partitions) {
			resp.Partitions, resp.More = resp.Partitions[:i+1], true
		}
		if limit <= 0 {
			break
		}
	}
	return resp
}

// DescribeObject says what is known of an object here.
func DescribeObject(r statestore.Reader, id kafka.ObjectID) rpc.ObjectDescription {
	var d rpc.ObjectDescription
	if v, ok := r.Get(appendObjectKey(nil, prefixObject, id)); ok {
		o := readObject(v)
		d.References, d.Bytes = o.refs, o.bytes
		switch {
		case o.refs > 0:
			d.State = rpc.ObjectReferenced
		default:
			d.State = rpc.ObjectDeleting
			if _, waits := r.Get(appendGarbageKey(nil, o.since, id)); waits {
				d.State = rpc.ObjectReleased
			}
		}
	}
	if f := readFence(r); !f.fenced(id.Epoch) {
		d.Epoch = rpc.EpochLive
	}
	if v, ok := r.Get(binary.BigEndian.AppendUint64([]byte{prefixSweep}, uint64(id.Epoch))); ok {
		s := readSweep(v)
		d.SweepPlanned, d.SweepParked = true, s.task.state == rpc.WorkParked
	}
	return d
}
