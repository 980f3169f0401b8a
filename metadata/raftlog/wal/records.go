package wal

import (
	"encoding/binary"
	"errors"

	pb "go.etcd.io/raft/v3/raftpb"
)

// Kinds of records. A kind is never changed once it was written, only added.
const (
	kindEntry      = 1 // group, index, term, type, data
	kindHardState  = 2 // group, term, vote, commit
	kindReset      = 3 // group, index, term, conf: the log begins after index, whatever was there
	kindCompact    = 4 // group, index, term: entries up to index are not needed
	kindRemove     = 5 // group
	kindCheckpoint = 6 // group, hard state, index, term, conf: at the head of a segment
)

var errShort = errors.New("a record is longer than its frame")

func appendUvarints(b []byte, vs ...uint64) []byte {
	for _, v := range vs {
		b = binary.AppendUvarint(b, v)
	}
	return b
}

func appendBytes(b, v []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

// appendEntry ends with the data: a ref points there.
func appendEntry(b []byte, group uint64, e *pb.Entry) []byte {
	b = appendUvarints(append(b, kindEntry), group, e.GetIndex(), e.GetTerm(), uint64(e.GetType()))
	return appendBytes(b, e.GetData())
}

func appendHardState(b []byte, group uint64, hs hardState) []byte {
	return appendUvarints(append(b, kindHardState), group, hs.term, hs.vote, hs.commit)
}

func appendReset(b []byte, group uint64, s Start) []byte {
	return appendBytes(appendUvarints(append(b, kindReset), group, s.Index, s.Term), s.Conf)
}

func appendCompact(b []byte, group, index, term uint64) []byte {
	return appendUvarints(append(b, kindCompact), group, index, term)
}

func appendRemove(b []byte, group uint64) []byte {
	return appendUvarints(append(b, kindRemove), group)
}

func appendCheckpoint(b []byte, g *Group) []byte {
	b = appendUvarints(append(b, kindCheckpoint), g.id, g.hs.term, g.hs.vote, g.hs.commit, g.start.Index, g.start.Term)
	return appendBytes(b, g.start.Conf)
}

// decoder reads a frame's payload.
type decoder struct {
	payload []byte
	at      int
	err     error
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.payload[d.at:])
	if n <= 0 {
		d.err = errShort
		d.at = len(d.payload)
		return 0
	}
	d.at += n
	return v
}

func (d *decoder) kind() byte {
	k := d.payload[d.at]
	d.at++
	return k
}

// bytes aliases the payload.
func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.payload)-d.at) {
		d.err = errShort
		d.at = len(d.payload)
		return nil
	}
	b := d.payload[d.at : d.at+int(n)]
	d.at += int(n)
	return b
}

func (d *decoder) more() bool { return d.err == nil && d.at < len(d.payload) }
