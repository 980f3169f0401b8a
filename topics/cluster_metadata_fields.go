package topics

import (
	"bytes"

	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/kafka"
)

// The messages of cluster_metadata.proto, one pair of functions each, fields in the order of their numbers.

func (r *Node) appendBody(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(r.ID))
	b = wire.AppendString(b, 2, r.RaftAddress)
	b = wire.AppendString(b, 3, r.Rack)
	b = wire.AppendString(b, 4, r.Version)
	for _, l := range r.Listeners {
		b = AppendListener(b, 5, l)
	}
	b = wire.AppendSint(b, 6, r.CreatedMillis)
	b = wire.AppendUint(b, 7, uint64(r.State))
	b = wire.AppendString(b, 8, r.DirectoryID)
	b = wire.AppendSint(b, 9, int64(r.ReplacedBy))
	b = wire.AppendSint(b, 15, int64(r.FeatureLevel))
	return wire.AppendString(b, 16, r.NextDirectoryID)
}

func (r *Node) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			r.ID = int32(d.Sint())
		case 2:
			r.RaftAddress = d.String()
		case 3:
			r.Rack = d.String()
		case 4:
			r.Version = d.String()
		case 5:
			r.Listeners = append(r.Listeners, DecodeListener(d))
		case 6:
			r.CreatedMillis = d.Sint()
		case 7:
			r.State = NodeState(d.Uint() & 0x7f)
		case 8:
			r.DirectoryID = d.String()
		case 9:
			r.ReplacedBy = int32(d.Sint())
		case 15:
			r.FeatureLevel = int32(d.Sint())
		case 16:
			r.NextDirectoryID = d.String()
		}
	}
	return d.Err()
}

func (r *MetadataCluster) appendBody(b []byte) []byte {
	b = wire.AppendString(b, 1, r.ID)
	return wire.AppendSint(b, 2, r.CreatedMillis)
}

func (r *MetadataCluster) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			r.ID = d.String()
		case 2:
			r.CreatedMillis = d.Sint()
		}
	}
	return d.Err()
}

func (r *InklessCluster) appendBody(b []byte) []byte {
	b = wire.AppendString(b, 1, string(r.Name))
	b = wire.AppendString(b, 2, r.UUID)
	b = wire.AppendSint(b, 3, r.CreatedMillis)
	b = wire.AppendSint(b, 4, int64(r.BatchCoordinatorPartitions))
	b = wire.AppendSint(b, 5, int64(r.GroupCoordinatorPartitions))
	b = wire.AppendUint(b, 6, uint64(r.State))
	b = AppendScramCredential(b, 7, r.Credential)
	b = appendClusterLimits(b, 8, r.Limits)
	return wire.AppendPackedSint(b, 20, r.Nodes)
}

func (r *InklessCluster) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			r.Name = kafka.ClusterID(d.String())
		case 2:
			r.UUID = d.String()
		case 3:
			r.CreatedMillis = d.Sint()
		case 4:
			r.BatchCoordinatorPartitions = int32(d.Sint())
		case 5:
			r.GroupCoordinatorPartitions = int32(d.Sint())
		case 6:
			r.State = ClusterState(d.Uint() & 0x7f)
		case 7:
			r.Credential = DecodeScramCredential(d)
		case 8:
			r.Limits = decodeClusterLimits(d)
		case 20:
			r.Nodes = wire.PackedSint(d, r.Nodes)
		}
	}
	return d.Err()
}

// AppendScramCredential writes c as the message ScramCredential.
func AppendScramCredential(b []byte, field int, c ScramCredential) []byte {
	return wire.AppendMessage(b, field, func(b []byte) []byte {
		b = wire.AppendBytes(b, 1, c.Salt)
		b = wire.AppendSint(b, 2, int64(c.Iterations))
		b = wire.AppendBytes(b, 3, c.StoredKey)
		return wire.AppendBytes(b, 4, c.ServerKey)
	})
}

// DecodeScramCredential reads the current field, a ScramCredential.
func DecodeScramCredential(d *wire.Decoder) (c ScramCredential) {
	d.Embedded(func(d *wire.Decoder) error {
		for d.Next() {
			switch d.Field() {
			case 1:
				c.Salt = ownBytes(d)
			case 2:
				c.Iterations = int32(d.Sint())
			case 3:
				c.StoredKey = ownBytes(d)
			case 4:
				c.ServerKey = ownBytes(d)
			}
		}
		return d.Err()
	})
	return c
}

// ownBytes is a copy, nil when empty: an empty field is not written.
func ownBytes(d *wire.Decoder) []byte {
	if b := d.Bytes(); len(b) > 0 {
		return bytes.Clone(b)
	}
	return nil
}

func (r *PartitionPlacement) appendBody(b []byte) []byte {
	b = wire.AppendString(b, 1, r.Topic)
	b = wire.AppendSint(b, 2, int64(r.Partition))
	b = wire.AppendUint(b, 3, r.RaftGroup)
	b = wire.AppendPackedSint(b, 4, r.Voters)
	b = wire.AppendPackedSint(b, 5, r.Target)
	return wire.AppendUint(b, 6, r.Move)
}

func (r *PartitionPlacement) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			r.Topic = d.String()
		case 2:
			r.Partition = int32(d.Sint())
		case 3:
			r.RaftGroup = d.Uint()
		case 4:
			r.Voters = wire.PackedSint(d, r.Voters)
		case 5:
			r.Target = wire.PackedSint(d, r.Target)
		case 6:
			r.Move = d.Uint()
		}
	}
	return d.Err()
}
