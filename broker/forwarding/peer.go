package forwarding

import (
	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/topics"
)

// Peer is one live broker as the others see it: the metadata of a member of the membership group.
type Peer struct {
	ID        int32
	Epoch     int64
	Rack      string
	Listeners []topics.BrokerListener
	Version   string
	Role      string
}

func (p Peer) host() string {
	if len(p.Listeners) > 0 {
		return p.Listeners[0].Host
	}
	return ""
}

// encode is the member metadata of the protocol "peers-v1": proto3, fields as numbered here.
func (p Peer) encode() []byte {
	b := wire.AppendSint(nil, 1, int64(p.ID))
	b = wire.AppendSint(b, 2, p.Epoch)
	b = wire.AppendString(b, 3, p.Rack)
	b = wire.AppendString(b, 4, p.Version)
	b = wire.AppendString(b, 5, p.Role)
	for _, l := range p.Listeners {
		b = wire.AppendMessage(b, 6, func(b []byte) []byte {
			b = wire.AppendString(b, 1, l.Name)
			b = wire.AppendString(b, 2, l.Host)
			b = wire.AppendSint(b, 3, int64(l.Port))
			return wire.AppendSint(b, 4, int64(l.SecurityProtocol))
		})
	}
	return b
}

// encodeAsking is encode with a number that nobody reads: the coordinator sees other metadata than before and rebalances.
func (p Peer) encodeAsking(number int64) []byte { return wire.AppendSint(p.encode(), 7, number) }

// appendPeer adds one member's metadata to an assignment, which is a repeated field 1 of them.
func appendPeer(assignment, metadata []byte) []byte {
	return wire.AppendMessage(assignment, 1, func(b []byte) []byte { return append(b, metadata...) })
}

func decodePeers(assignment []byte) ([]Peer, error) {
	var peers []Peer
	d := wire.NewDecoder(assignment)
	for d.Next() {
		if d.Field() == 1 {
			d.Embedded(func(d *wire.Decoder) error {
				p, err := decodePeer(d)
				peers = append(peers, p)
				return err
			})
		}
	}
	return peers, d.Err()
}

func decodePeer(d *wire.Decoder) (p Peer, err error) {
	for d.Next() {
		switch d.Field() {
		case 1:
			p.ID = int32(d.Sint())
		case 2:
			p.Epoch = d.Sint()
		case 3:
			p.Rack = d.String()
		case 4:
			p.Version = d.String()
		case 5:
			p.Role = d.String()
		case 6:
			d.Embedded(func(d *wire.Decoder) error {
				var l topics.BrokerListener
				for d.Next() {
					switch d.Field() {
					case 1:
						l.Name = d.String()
					case 2:
						l.Host = d.String()
					case 3:
						l.Port = int32(d.Sint())
					case 4:
						l.SecurityProtocol = int16(d.Sint())
					}
				}
				p.Listeners = append(p.Listeners, l)
				return d.Err()
			})
		}
	}
	return p, d.Err()
}
