package rpc

import "github.com/inkwell-project/inkwell/internal/wire"

// Append implements Message.
func (r *ReportCostRequest) Append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(r.Broker))
	b = wire.AppendSint(b, 2, r.Epoch)
	b = wire.AppendSint(b, 3, r.Sequence)
	return wire.AppendMessage(b, 4, r.Account.Append)
}

// Decode implements Message.
func (r *ReportCostRequest) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Broker = int32(d.Sint())
		case 2:
			r.Epoch = d.Sint()
		case 3:
			r.Sequence = d.Sint()
		case 4:
			d.Embedded(r.Account.Decode)
		}
	})
}

// Append implements Message.
func (*ReportCostResponse) Append(b []byte) []byte { return b }

// Decode implements Message.
func (*ReportCostResponse) Decode(b []byte) error { return decode(b, func(*wire.Decoder) {}) }

// Append implements Message.
func (*DescribeCostRequest) Append(b []byte) []byte { return b }

// Decode implements Message.
func (*DescribeCostRequest) Decode(b []byte) error { return decode(b, func(*wire.Decoder) {}) }

// Append implements Message.
func (r *DescribeCostResponse) Append(b []byte) []byte {
	b = wire.AppendMessage(b, 1, r.Account.Append)
	return wire.AppendSint(b, 2, int64(r.Brokers))
}

// Decode implements Message.
func (r *DescribeCostResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			d.Embedded(r.Account.Decode)
		case 2:
			r.Brokers = int32(d.Sint())
		}
	})
}
