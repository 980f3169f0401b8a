package raftlog

import (
	"encoding/binary"
	"fmt"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

const (
	entryVersion    = 1
	controlVersion  = 2 // an entry of the log itself: kind, body
	entryHeaderSize = 1 + 4 + 8 + 8
)

// proposalID names a proposal for ever: the nonce is new at each start of a process, so that an entry from before a restart is
// never taken for one of now.
type proposalID struct {
	node    int32
	nonce   uint64
	counter uint64
}

func encodeEntry(id proposalID, command []byte) []byte {
	b := make([]byte, 0, entryHeaderSize+len(command))
	b = append(b, entryVersion)
	b = binary.BigEndian.AppendUint32(b, uint32(id.node))
	b = binary.BigEndian.AppendUint64(b, id.nonce)
	b = binary.BigEndian.AppendUint64(b, id.counter)
	return append(b, command...)
}

// decodeEntry returns the command without a copy.
func decodeEntry(b []byte) (proposalID, []byte, error) {
	if len(b) < entryHeaderSize || b[0] != entryVersion {
		return proposalID{}, nil, fmt.Errorf("%w: an entry of another version than %d: a newer node wrote it", ErrHalt, entryVersion)
	}
	return proposalID{
		node:    int32(binary.BigEndian.Uint32(b[1:])),
		nonce:   binary.BigEndian.Uint64(b[5:]),
		counter: binary.BigEndian.Uint64(b[13:]),
	}, b[entryHeaderSize:], nil
}

// Kinds of entries of the log itself. They change nothing in the state.
const (
	controlCheck   = 1 // hash the state from the cursor in the body on
	controlVerdict = 2 // index of the check, hash
)

type controlEntry struct {
	kind byte
	body []byte
}

func encodeControl(kind byte, body []byte) []byte {
	return append([]byte{controlVersion, kind}, body...)
}

// decodeControl says whether an entry is one of the log itself. A kind that this version does not know is one that changes no state, and is passed over.
func decodeControl(b []byte) (controlEntry, bool) {
	if len(b) < 2 || b[0] != controlVersion {
		return controlEntry{}, false
	}
	return controlEntry{b[1], b[2:]}, true
}

// appliedState is what a group's state store knows about itself. It is in the batch of the last applied entry.
type appliedState struct {
	index, term uint64
	conf        *pb.ConfState
	// installed: the state came as a snapshot, and the log may not know that yet.
	installed bool
}

func (a appliedState) encode() []byte {
	conf, err := proto.Marshal(a.conf)
	if err != nil {
		panic(err) // numbers only
	}
	var flags byte
	if a.installed {
		flags = 1
	}
	b := append([]byte{1, flags}, binary.AppendUvarint(nil, a.index)...)
	b = binary.AppendUvarint(b, a.term)
	return append(b, conf...)
}

func decodeApplied(b []byte) (a appliedState, err error) {
	damaged := fmt.Errorf("%w: the applied index is damaged", ErrHalt)
	if len(b) < 2 || b[0] != 1 {
		return a, damaged
	}
	a.installed = b[1]&1 != 0
	var n int
	b = b[2:]
	for _, v := range []*uint64{&a.index, &a.term} {
		if *v, n = binary.Uvarint(b); n <= 0 {
			return a, damaged
		}
		b = b[n:]
	}
	a.conf, err = decodeConf(b)
	return a, err
}

func decodeConf(b []byte) (*pb.ConfState, error) {
	conf := &pb.ConfState{}
	if err := proto.Unmarshal(b, conf); err != nil {
		return nil, fmt.Errorf("%w: the membership is damaged: %w", ErrHalt, err)
	}
	return conf, nil
}
