package state

import (
	"errors"

	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

func (c *DeleteRecords) appendBody(b []byte) []byte {
	b = wire.AppendSint(b, 1, c.MaxCoordinates)
	for _, p := range c.Partitions {
		b = wire.AppendMessage(b, 2, func(b []byte) []byte { return wire.AppendSint(appendPartition(b, p.Partition), 3, p.Before) })
	}
	return b
}

func (c *DeleteRecords) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.MaxCoordinates = d.Sint()
		case 2:
			var p rpc.DeleteRecords
			d.Embedded(func(d *wire.Decoder) error {
				return decodePartition(d, &p.Partition, func(field int) {
					if field == 3 {
						p.Before = d.Sint()
					}
				})
			})
			c.Partitions = append(c.Partitions, p)
		}
	}
	return d.Err()
}

func (c *ApplyRetention) appendBody(b []byte) []byte {
	b = wire.AppendSint(b, 1, c.MaxCoordinates)
	for _, p := range c.Partitions {
		b = wire.AppendMessage(b, 2, func(b []byte) []byte {
			b = wire.AppendSint(appendPartition(b, p.Partition), 3, p.Cutoff)
			return wire.AppendSint(b, 4, p.MaxBytes)
		})
	}
	return b
}

func (c *ApplyRetention) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.MaxCoordinates = d.Sint()
		case 2:
			var p PartitionRetention
			d.Embedded(func(d *wire.Decoder) error {
				return decodePartition(d, &p.Partition, func(field int) {
					switch field {
					case 3:
						p.Cutoff = d.Sint()
					case 4:
						p.MaxBytes = d.Sint()
					}
				})
			})
			c.Partitions = append(c.Partitions, p)
		}
	}
	return d.Err()
}

func (c *DeleteTopic) appendBody(b []byte) []byte {
	return wire.AppendSint(wire.AppendBytes(b, 1, c.ID[:]), 2, c.MaxCoordinates)
}

func (c *DeleteTopic) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.ID = topicID(d)
		case 2:
			c.MaxCoordinates = d.Sint()
		}
	}
	return d.Err()
}

func (c *FenceBrokers) appendBody(b []byte) []byte {
	b = wire.AppendSint(b, 1, c.MetadataOffset)
	b = appendBrokerEpochs(b, 2, c.Live)
	return wire.AppendSint(b, 3, c.SweepAfterMillis)
}

func (c *FenceBrokers) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.MetadataOffset = d.Sint()
		case 2:
			c.Live = append(c.Live, BrokerEpoch{})
			d.Embedded(c.Live[len(c.Live)-1].decode)
		case 3:
			c.SweepAfterMillis = d.Sint()
		}
	}
	return d.Err()
}

func appendBrokerEpochs(b []byte, field int, epochs []BrokerEpoch) []byte {
	for _, e := range epochs {
		b = wire.AppendMessage(b, field, func(b []byte) []byte { return wire.AppendSint(wire.AppendSint(b, 1, int64(e.Broker)), 2, e.Epoch) })
	}
	return b
}

func (e *BrokerEpoch) decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			e.Broker = int32(d.Sint())
		case 2:
			e.Epoch = d.Sint()
		}
	}
	return d.Err()
}

func (c *LeaseWork) appendBody(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(c.Broker))
	b = wire.AppendSint(b, 2, c.BrokerEpoch)
	b = wire.AppendSint(b, 3, c.MaxObjects)
	b = wire.AppendSint(b, 4, c.DelayMillis)
	return wire.AppendSint(b, 5, c.TimeoutMillis)
}

func (c *LeaseWork) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.Broker = int32(d.Sint())
		case 2:
			c.BrokerEpoch = d.Sint()
		case 3:
			c.MaxObjects = d.Sint()
		case 4:
			c.DelayMillis = d.Sint()
		case 5:
			c.TimeoutMillis = d.Sint()
		}
	}
	return d.Err()
}

func (c *CompleteWork) appendBody(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(c.Broker))
	b = wire.AppendSint(b, 2, c.BrokerEpoch)
	b = wire.AppendSint(b, 3, c.Lease)
	b = wire.AppendSint(b, 4, c.RetryMillis)
	for _, id := range c.Deleted {
		b = wire.AppendMessage(b, 5, func(b []byte) []byte { return wire.AppendSint(wire.AppendSint(b, 1, id.Epoch), 2, id.Sequence) })
	}
	return b
}

func (c *CompleteWork) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.Broker = int32(d.Sint())
		case 2:
			c.BrokerEpoch = d.Sint()
		case 3:
			c.Lease = d.Sint()
		case 4:
			c.RetryMillis = d.Sint()
		case 5:
			var id kafka.ObjectID
			d.Embedded(func(d *wire.Decoder) error {
				for d.Next() {
					switch d.Field() {
					case 1:
						id.Epoch = d.Sint()
					case 2:
						id.Sequence = d.Sint()
					}
				}
				return d.Err()
			})
			c.Deleted = append(c.Deleted, id)
		}
	}
	return d.Err()
}

func (c *ExpireProducers) appendBody(b []byte) []byte {
	b = wire.AppendSint(b, 1, c.Cutoff)
	for _, p := range c.Producers {
		b = wire.AppendMessage(b, 2, func(b []byte) []byte { return wire.AppendSint(appendPartition(b, p.Partition), 3, p.ProducerID) })
	}
	return b
}

func (c *ExpireProducers) decodeBody(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.Cutoff = d.Sint()
		case 2:
			var p PartitionProducer
			d.Embedded(func(d *wire.Decoder) error {
				return decodePartition(d, &p.Partition, func(field int) {
					if field == 3 {
						p.ProducerID = d.Sint()
					}
				})
			})
			c.Producers = append(c.Producers, p)
		}
	}
	return d.Err()
}

// appendPartition writes a partition as the first two fields of a message.
func appendPartition(b []byte, tp kafka.TopicIDPartition) []byte {
	return wire.AppendSint(wire.AppendBytes(b, 1, tp.ID[:]), 2, int64(tp.Partition))
}

// decodePartition reads a message that begins with a partition; other reads its further fields.
func decodePartition(d *wire.Decoder, tp *kafka.TopicIDPartition, other func(field int)) error {
	for d.Next() {
		switch f := d.Field(); f {
		case 1:
			tp.ID = topicID(d)
		case 2:
			tp.Partition = int32(d.Sint())
		default:
			other(f)
		}
	}
	return d.Err()
}

var errTopicID = errors.New("a topic id that has not 16 bytes")

func topicID(d *wire.Decoder) (id kafka.TopicID) {
	b := d.Bytes()
	if len(b) != len(id) {
		d.Fail(errTopicID)
		return id
	}
	return kafka.TopicID(b)
}
