package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/inkwell-project/inkwell/metadata/raftlog"
)

// Kinds of frames. A kind is never changed, only added.
const (
	frameMessages = 1
	frameChunk    = 2 // a piece of a snapshot
	frameEnd      = 3 // the end of a snapshot
	frameOutcome  = 4 // what became of a snapshot: a text, empty for success
	frameFailed   = 5 // the sender of a snapshot gives up: a text
	framePing     = 6 // messages, and a wish for one byte as an answer
)

// Kinds of messages within a frame.
const (
	messageProto        = 0 // group, length, protobuf
	messageHeartbeat    = 1 // group, term, commit, length, context
	messageHeartbeatAck = 2 // group, term, length, context
)

const (
	frameHeaderSize = 4 + 4 + 1 // length of the payload, CRC32C of kind and payload, kind
	// maxFrameBytes bounds what one frame makes the receiver allocate; a Raft message is below MaxSizePerMsg plus one command.
	maxFrameBytes = 128 << 20
	// frameTarget is when a round's messages go on in another frame.
	frameTarget = 1 << 20
	chunkBytes  = 128 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// beginFrame appends room for a header; sealFrame fills it.
func beginFrame(b []byte, kind byte) ([]byte, int) {
	at := len(b)
	return append(b, 0, 0, 0, 0, 0, 0, 0, 0, kind), at
}

func sealFrame(b []byte, at int) {
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-frameHeaderSize))
	binary.BigEndian.PutUint32(b[at+4:], crc32.Checksum(b[at+8:], castagnoli))
}

// readFrame returns a frame's payload, in the memory of buf where that is large enough.
func readFrame(r io.Reader, buf []byte) (kind byte, payload []byte, err error) {
	var header [frameHeaderSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, buf, err
	}
	n := binary.BigEndian.Uint32(header[:])
	if n > maxFrameBytes {
		return 0, buf, fmt.Errorf("a frame of %d bytes is above the bound of %d", n, maxFrameBytes)
	}
	if cap(buf) < int(n) {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if _, err := io.ReadFull(r, buf); err != nil {
		return 0, buf, noEOF(err)
	}
	if binary.BigEndian.Uint32(header[4:]) != crc32.Update(crc32.Checksum(header[8:], castagnoli), castagnoli, buf) {
		return 0, buf, errors.New("a frame's checksum is wrong")
	}
	return header[8], buf, nil
}

// noEOF: an end in the middle of something is not a good end.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func appendBytes(b, v []byte) []byte { return append(binary.AppendUvarint(b, uint64(len(v))), v...) }

// appendMessage encodes a message. Sender and receiver are the stream's.
func appendMessage(b []byte, m raftlog.Message) ([]byte, error) {
	r := m.Raft
	switch r.GetType() {
	case pb.MsgHeartbeat:
		b = binary.AppendUvarint(append(b, messageHeartbeat), m.Group)
		b = binary.AppendUvarint(binary.AppendUvarint(b, r.GetTerm()), r.GetCommit())
		return appendBytes(b, r.GetContext()), nil
	case pb.MsgHeartbeatResp:
		b = binary.AppendUvarint(append(b, messageHeartbeatAck), m.Group)
		return appendBytes(binary.AppendUvarint(b, r.GetTerm()), r.GetContext()), nil
	}
	b = binary.AppendUvarint(append(b, messageProto), m.Group)
	b = binary.AppendUvarint(b, uint64(proto.Size(r)))
	return proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(b, r)
}

var errShort = errors.New("a message is longer than its frame")

// decodeMessages calls fn with each message of a frame. Messages own their memory.
func decodeMessages(b []byte, from, to uint64, fn func(raftlog.Message)) error {
	d := decoder{b: b}
	for len(d.b) > 0 {
		kind := d.b[0]
		d.b = d.b[1:]
		m := raftlog.Message{Group: d.uvarint()}
		switch kind {
		case messageProto:
			m.Raft = &pb.Message{}
			body := d.bytes()
			if d.err != nil {
				return d.err
			}
			if err := proto.Unmarshal(body, m.Raft); err != nil {
				return err
			}
			if m.Raft.GetFrom() != from || m.Raft.GetTo() != to {
				return fmt.Errorf("a message from %d to %d on the stream from %d to %d", raftlog.NodeOf(m.Raft.GetFrom()), raftlog.NodeOf(m.Raft.GetTo()),
					raftlog.NodeOf(from), raftlog.NodeOf(to))
			}
		case messageHeartbeat:
			term, commit := d.uvarint(), d.uvarint()
			m.Raft = &pb.Message{Type: pb.MsgHeartbeat.Enum(), From: &from, To: &to, Term: &term, Commit: &commit, Context: d.copied()}
		case messageHeartbeatAck:
			term := d.uvarint()
			m.Raft = &pb.Message{Type: pb.MsgHeartbeatResp.Enum(), From: &from, To: &to, Term: &term, Context: d.copied()}
		default:
			return fmt.Errorf("a message of kind %d, which this version does not know", kind)
		}
		if d.err != nil {
			return d.err
		}
		fn(m)
	}
	return nil
}

type decoder struct {
	b   []byte
	err error
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.b, d.err = nil, errShort
		return 0
	}
	d.b = d.b[n:]
	return v
}

// bytes aliases the frame.
func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.b, d.err = nil, errShort
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) copied() []byte {
	if b := d.bytes(); len(b) > 0 {
		return append([]byte(nil), b...)
	}
	return nil
}
