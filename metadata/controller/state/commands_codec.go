package state

import (
	"fmt"

	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/topics"
)

func decodeID(d *wire.Decoder) (id kafka.TopicID) {
	b := d.Bytes()
	if len(b) != len(id) {
		d.Fail(fmt.Errorf("topic id of %d bytes, want %d", len(b), len(id)))
		return id
	}
	return kafka.TopicID(b)
}

func appendSettings(b []byte, field int, settings []topics.Setting) []byte {
	for _, s := range settings {
		b = topics.AppendSetting(b, field, s)
	}
	return b
}

func (c *CreateTopics) append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(c.Coordinators))
	b = wire.AppendSint(b, 2, c.MaxPartitions)
	for i := range c.Topics {
		t := &c.Topics[i]
		b = wire.AppendMessage(b, 3, func(b []byte) []byte {
			b = wire.AppendBytes(b, 1, t.ID[:])
			b = wire.AppendString(b, 2, t.Name)
			b = wire.AppendSint(b, 3, int64(t.Partitions))
			return appendSettings(b, 4, t.Settings)
		})
	}
	return b
}

func (c *CreateTopics) decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.Coordinators = int32(d.Sint())
		case 2:
			c.MaxPartitions = d.Sint()
		case 3:
			var t NewTopic
			d.Embedded(t.decode)
			c.Topics = append(c.Topics, t)
		}
	}
	return d.Err()
}

func (t *NewTopic) decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			t.ID = decodeID(d)
		case 2:
			t.Name = d.String()
		case 3:
			t.Partitions = int32(d.Sint())
		case 4:
			t.Settings = append(t.Settings, topics.DecodeSetting(d))
		}
	}
	return d.Err()
}

func (c *DeleteTopics) append(b []byte) []byte {
	for i := range c.IDs {
		b = wire.AppendBytes(b, 1, c.IDs[i][:])
	}
	return b
}

func (c *DeleteTopics) decode(d *wire.Decoder) error {
	for d.Next() {
		if d.Field() == 1 {
			c.IDs = append(c.IDs, decodeID(d))
		}
	}
	return d.Err()
}

func (c *CreatePartitions) append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(c.Coordinators))
	b = wire.AppendSint(b, 2, c.MaxPartitions)
	for i := range c.Topics {
		t := &c.Topics[i]
		b = wire.AppendMessage(b, 3, func(b []byte) []byte {
			b = wire.AppendBytes(b, 1, t.ID[:])
			return wire.AppendSint(b, 2, int64(t.Count))
		})
	}
	return b
}

func (c *CreatePartitions) decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.Coordinators = int32(d.Sint())
		case 2:
			c.MaxPartitions = d.Sint()
		case 3:
			var t MorePartitions
			d.Embedded(func(d *wire.Decoder) error {
				for d.Next() {
					switch d.Field() {
					case 1:
						t.ID = decodeID(d)
					case 2:
						t.Count = int32(d.Sint())
					}
				}
				return d.Err()
			})
			c.Topics = append(c.Topics, t)
		}
	}
	return d.Err()
}

func (c *SetConfigs) append(b []byte) []byte {
	for i := range c.Resources {
		r := &c.Resources[i]
		b = wire.AppendMessage(b, 1, func(b []byte) []byte {
			b = wire.AppendSint(b, 1, int64(r.Type))
			b = wire.AppendString(b, 2, r.Name)
			b = wire.AppendBytes(b, 3, r.TopicID[:])
			b = appendSettings(b, 4, r.Old)
			return appendSettings(b, 5, r.New)
		})
	}
	return b
}

func (c *SetConfigs) decode(d *wire.Decoder) error {
	for d.Next() {
		if d.Field() == 1 {
			var r ConfigChange
			d.Embedded(r.decode)
			c.Resources = append(c.Resources, r)
		}
	}
	return d.Err()
}

func (r *ConfigChange) decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			r.Type = int8(d.Sint())
		case 2:
			r.Name = d.String()
		case 3:
			r.TopicID = decodeID(d)
		case 4:
			r.Old = append(r.Old, topics.DecodeSetting(d))
		case 5:
			r.New = append(r.New, topics.DecodeSetting(d))
		}
	}
	return d.Err()
}

func (c *RegisterBroker) append(b []byte) []byte {
	b = wire.AppendBytes(b, 1, topics.AppendMetadata(nil, &c.Broker))
	return wire.AppendSint(b, 2, c.Replaceable)
}

func (c *RegisterBroker) decode(d *wire.Decoder) error {
	found := false
	for d.Next() {
		switch d.Field() {
		case 1:
			r, err := topics.DecodeMetadata(d.Bytes())
			if err != nil {
				return err
			}
			b, ok := r.(*topics.Broker)
			if !ok {
				return fmt.Errorf("a %T, want a broker", r)
			}
			c.Broker, found = *b, true
		case 2:
			c.Replaceable = d.Sint()
		}
	}
	if !found && d.Err() == nil {
		return fmt.Errorf("a registration without a broker")
	}
	return d.Err()
}

func (c *FenceBroker) append(b []byte) []byte {
	return wire.AppendSint(wire.AppendSint(b, 1, int64(c.Broker)), 2, c.Epoch)
}

func (c *FenceBroker) decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.Broker = int32(d.Sint())
		case 2:
			c.Epoch = d.Sint()
		}
	}
	return d.Err()
}

func (c *UnregisterBroker) append(b []byte) []byte { return wire.AppendSint(b, 1, int64(c.Broker)) }

func (c *UnregisterBroker) decode(d *wire.Decoder) error {
	for d.Next() {
		if d.Field() == 1 {
			c.Broker = int32(d.Sint())
		}
	}
	return d.Err()
}

func (c *AllocateProducerIDs) append(b []byte) []byte {
	b = wire.AppendSint(wire.AppendSint(b, 1, int64(c.Broker)), 2, c.Epoch)
	return wire.AppendSint(b, 3, int64(c.Length))
}

func (c *AllocateProducerIDs) decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.Broker = int32(d.Sint())
		case 2:
			c.Epoch = d.Sint()
		case 3:
			c.Length = int32(d.Sint())
		}
	}
	return d.Err()
}
