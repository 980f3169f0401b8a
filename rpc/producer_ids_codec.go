package rpc

import "github.com/inkwell-project/inkwell/internal/wire"

// Append implements Message.
func (r *AllocateProducerIDsRequest) Append(b []byte) []byte {
	return wire.AppendSint(wire.AppendSint(b, 1, int64(r.Broker)), 2, r.BrokerEpoch)
}

// Decode implements Message.
func (r *AllocateProducerIDsRequest) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Broker = int32(d.Sint())
		case 2:
			r.BrokerEpoch = d.Sint()
		}
	})
}

// Append implements Message.
func (r *AllocateProducerIDsResponse) Append(b []byte) []byte {
	return wire.AppendSint(wire.AppendSint(b, 1, r.First), 2, int64(r.Length))
}

// Decode implements Message.
func (r *AllocateProducerIDsResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.First = d.Sint()
		case 2:
			r.Length = int32(d.Sint())
		}
	})
}
