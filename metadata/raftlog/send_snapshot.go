package raftlog

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"

	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/metadata/statestore/pebblestore"
)

// A snapshot is a stream: version, group, flags, the Raft message with the metadata, the topic's state; then kind, key and value of everything in
// the group's spaces; then 0 and how many there were.
const (
	snapshotVersion = 1
	// snapshotRebuild: the receiver keeps its log, and asked for the state alone.
	snapshotRebuild = 1
	// maxSnapshotsSent and maxSnapshotsReceived at a time: each costs reads of the whole state.
	maxSnapshotsSent     = 2
	maxSnapshotsReceived = 2
	// snapshotPauseTicks is how long a group waits after a snapshot that failed.
	snapshotPauseTicks = 10
)

// startSnapshot sends what Raft asks for, away from the event loop. Raft sends the follower nothing else until it hears what became of it.
func (n *Node) startSnapshot(g *group, m *pb.Message) {
	to := NodeOf(m.GetTo())
	carrier, ok := n.cfg.Transport.(SnapshotTransport)
	if !ok || n.sending >= maxSnapshotsSent || g.sends[to] != 0 {
		g.snapshotFrom = n.ticks + snapshotPauseTicks
		n.ReportSnapshot(g.id, to, false)
		return
	}
	if g.sends == nil {
		g.sends = map[int32]uint64{}
	}
	g.sends[to] = m.GetSnapshot().GetMetadata().GetIndex() // the log keeps what follows
	n.sending++
	n.workers.Go(func() {
		err := n.sendSnapshot(carrier, g, m, 0)
		if err != nil && n.ctx.Err() == nil {
			g.log.Warn("a snapshot did not arrive; it will be sent again", "node", to, "error", err)
		}
		_ = n.inbox.put(func(w *work) { // refused: the node is closed
			w.controls = append(w.controls, func() {
				n.sending--
				delete(g.sends, to)
				if err != nil {
					g.snapshotFrom = n.ticks + snapshotPauseTicks
				}
			})
		})
		n.ReportSnapshot(g.id, to, err == nil)
	})
}

// sendUnasked sends a snapshot that Raft does not ask for. A replica that was removed, lost its state with that and came back may be credited with entries of its former life: what
// it said then can arrive when it is a member again. Raft takes nothing back, and each refusal of the new replica for an old one. What it is credited with was committed before
// it came back, so nothing was counted wrongly, but only a snapshot helps it.
func (n *Node) sendUnasked(g *group, to int32) {
	credited := false
	if g.leads {
		g.raw.WithProgress(func(id uint64, _ raft.ProgressType, pr tracker.Progress) {
			credited = credited || id == raftID(to) && pr.Match > 0
		})
	}
	if !credited || g.sends[to] != 0 {
		return
	}
	snapshot, err := g.storage.Snapshot()
	if err != nil {
		return // not now; it says so again with the next heartbeat
	}
	term := g.raw.BasicStatus().GetTerm()
	n.startSnapshot(g, &pb.Message{Type: pb.MsgSnap.Enum(), From: new(raftID(n.cfg.NodeID)), To: new(raftID(to)), Term: &term, Snapshot: snapshot})
}

// sendSnapshot streams the newest state there is: it may be newer than what Raft asked for.
func (n *Node) sendSnapshot(carrier SnapshotTransport, g *group, m *pb.Message, flags byte) (err error) {
	defer func() {
		if p := recover(); p != nil { // the state cannot be read: this replica must not lead with it
			err = panicError(p)
			g.halt(err)
		}
	}()
	v, place := g.consistently(n.store.NewView)
	defer v.Close()
	reader := func(kind byte) statestore.Reader { return v.Reader(pebblestore.Space{Group: place, Kind: kind}) }
	value, _ := reader(kindMeta).Get(appliedKey)
	applied, err := decodeApplied(value)
	if err != nil {
		return err
	}
	m = &pb.Message{Type: pb.MsgSnap.Enum(), From: m.From, To: m.To, Term: m.Term,
		Snapshot: &pb.Snapshot{Metadata: &pb.SnapshotMetadata{ConfState: applied.conf, Index: &applied.index, Term: &applied.term}}}
	began := n.cfg.Clock.Now()
	if err := carrier.SendSnapshot(n.ctx, NodeOf(m.GetTo()), func(w io.Writer) error { return n.writeStream(w, g, m, flags, reader) }); err != nil {
		return err
	}
	n.metrics.snapshotsSent.Inc()
	g.log.Info("a snapshot was sent", "node", NodeOf(m.GetTo()), "index", applied.index, "took", n.cfg.Clock.Now().Sub(began))
	return nil
}

func (n *Node) writeStream(stream io.Writer, g *group, m *pb.Message, flags byte, reader func(byte) statestore.Reader) error {
	w := bufio.NewWriterSize(stream, 64<<10)
	header, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	topic, _ := reader(kindMeta).Get(topicKey)
	b := append(binary.AppendUvarint([]byte{snapshotVersion}, g.id), flags)
	b = appendField(appendField(b, header), topic)
	if _, err := w.Write(b); err != nil {
		return err
	}
	count := uint64(0)
	for _, kind := range snapshotKinds {
		reader(kind).Scan(nil, nil, func(key, value []byte) bool {
			b = appendField(append(b[:0], kind), key)
			b = binary.AppendUvarint(b, uint64(len(value)))
			if _, err = w.Write(b); err == nil {
				_, err = w.Write(value)
			}
			count++
			if err == nil && (g.over.Load() && flags == 0) {
				err = g.endError()
			}
			return err == nil
		})
		if err != nil {
			return err
		}
	}
	if _, err := w.Write(binary.AppendUvarint([]byte{0}, count)); err != nil {
		return err
	}
	return w.Flush()
}

// snapshotStream reads what writeStream wrote.
type snapshotStream struct {
	r       *bufio.Reader
	group   uint64
	flags   byte
	message *pb.Message
	topic   []byte
	count   uint64
}

var errSnapshotDamaged = errors.New("the snapshot is damaged")

// maxFieldBytes bounds a key or a value.
const maxFieldBytes = 64 << 20

func openStream(r io.Reader) (*snapshotStream, error) {
	s := &snapshotStream{r: bufio.NewReaderSize(r, 64<<10), message: &pb.Message{}}
	version, err := s.r.ReadByte()
	if err != nil {
		return nil, err
	}
	if version != snapshotVersion {
		return nil, fmt.Errorf("a snapshot of format %d, this version knows %d: the sender is newer", version, snapshotVersion)
	}
	if s.group, err = binary.ReadUvarint(s.r); err != nil {
		return nil, err
	}
	if s.flags, err = s.r.ReadByte(); err != nil {
		return nil, err
	}
	header, err := s.field()
	if err != nil {
		return nil, err
	}
	if err := proto.Unmarshal(header, s.message); err != nil {
		return nil, fmt.Errorf("%w: %w", errSnapshotDamaged, err)
	}
	if s.message.GetType() != pb.MsgSnap || s.message.GetSnapshot().GetMetadata().GetIndex() == 0 {
		return nil, errSnapshotDamaged
	}
	s.topic, err = s.field()
	return s, err
}

func (s *snapshotStream) field() ([]byte, error) {
	n, err := binary.ReadUvarint(s.r)
	if err != nil {
		return nil, err
	}
	if n > maxFieldBytes {
		return nil, errSnapshotDamaged
	}
	b := make([]byte, n)
	_, err = io.ReadFull(s.r, b)
	return b, err
}

// next returns the next pair; kind 0 is the end, behind which nothing may follow.
func (s *snapshotStream) next() (kind byte, key, value []byte, err error) {
	if kind, err = s.r.ReadByte(); err != nil {
		return 0, nil, nil, fmt.Errorf("the snapshot ends early: %w", err)
	}
	if kind == 0 {
		count, err := binary.ReadUvarint(s.r)
		if err == nil && count != s.count {
			err = fmt.Errorf("%w: %d of %d keys arrived", errSnapshotDamaged, s.count, count)
		}
		if err == nil {
			if _, err = s.r.ReadByte(); err == io.EOF {
				return 0, nil, nil, nil
			} else if err == nil {
				err = errSnapshotDamaged
			}
		}
		return 0, nil, nil, err
	}
	s.count++
	if key, err = s.field(); err != nil {
		return 0, nil, nil, err
	}
	value, err = s.field()
	return kind, key, value, err
}
