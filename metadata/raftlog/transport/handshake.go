package transport

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

const (
	magic           = uint64(0x494e4b5752414654)
	protocolVersion = 1
	maxClusterID    = 255
	maxText         = 1024
	nonceSize       = 32
	proofSize       = sha256.Size

	streamMessages = 1
	streamSnapshot = 2
)

// Why a peer is refused; the label of the metric.
const (
	refusedProtocol = "protocol"
	refusedCluster  = "cluster"
	refusedNode     = "node"
	refusedUnknown  = "unknown_peer"
	refusedSecret   = "secret"
)

// Refused is a handshake that failed for good: trying again does not help until somebody changes something.
type Refused struct {
	Reason string // the label of the metric
	Text   string
}

func (r *Refused) Error() string { return r.Text }

func refuse(reason, format string, args ...any) error {
	return &Refused{reason, fmt.Sprintf(format, args...)}
}

// hello is the first thing that a caller says.
type hello struct {
	version   uint16
	kind      byte
	secret    bool // the caller has one
	clusterID string
	from, to  int32
	nonce     [nonceSize]byte
}

func (h hello) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, magic)
	b = binary.BigEndian.AppendUint16(b, h.version)
	b = append(b, h.kind, flag(h.secret), byte(len(h.clusterID)))
	b = append(b, h.clusterID...)
	b = binary.BigEndian.AppendUint32(b, uint32(h.from))
	b = binary.BigEndian.AppendUint32(b, uint32(h.to))
	return append(b, h.nonce[:]...)
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func readHello(r io.Reader) (h hello, err error) {
	var fixed [13]byte
	if _, err := io.ReadFull(r, fixed[:]); err != nil {
		return h, err
	}
	if binary.BigEndian.Uint64(fixed[:]) != magic {
		return h, refuse(refusedProtocol, "this is the port for metadata nodes (--raft.listen), and the caller is none")
	}
	h.version, h.kind, h.secret = binary.BigEndian.Uint16(fixed[8:]), fixed[10], fixed[11] == 1
	rest := make([]byte, int(fixed[12])+8+nonceSize)
	if _, err := io.ReadFull(r, rest); err != nil {
		return h, noEOF(err)
	}
	n := int(fixed[12])
	h.clusterID = string(rest[:n])
	h.from, h.to = int32(binary.BigEndian.Uint32(rest[n:])), int32(binary.BigEndian.Uint32(rest[n+4:]))
	copy(h.nonce[:], rest[n+8:])
	return h, nil
}

// answer is what the callee says to a hello.
type answer struct {
	reason string // empty: go on
	text   string
	secret bool
	nonce  [nonceSize]byte
}

func (a answer) encode() []byte {
	text := a.text[:min(len(a.text), maxText)]
	b := append([]byte{byte(len(a.reason))}, a.reason...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(text)))
	b = append(append(b, text...), flag(a.secret))
	return append(b, a.nonce[:]...)
}

func readAnswer(r io.Reader) (a answer, err error) {
	var n [2]byte
	if _, err := io.ReadFull(r, n[:1]); err != nil {
		return a, err
	}
	reason := make([]byte, n[0])
	if _, err := io.ReadFull(r, reason); err != nil {
		return a, noEOF(err)
	}
	if _, err := io.ReadFull(r, n[:2]); err != nil {
		return a, noEOF(err)
	}
	size := binary.BigEndian.Uint16(n[:])
	if size > maxText {
		return a, errors.New("the answer to a handshake is too long")
	}
	rest := make([]byte, int(size)+1+nonceSize)
	if _, err := io.ReadFull(r, rest); err != nil {
		return a, noEOF(err)
	}
	a.reason, a.text, a.secret = string(reason), string(rest[:size]), rest[size] == 1
	copy(a.nonce[:], rest[size+1:])
	return a, nil
}

// proof shows that a side knows the secret. It covers all that both have said, and which side it is.
func proof(secret []byte, side string, hello, answer []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(side))
	mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(hello))))
	mac.Write(hello)
	mac.Write(answer)
	return mac.Sum(nil)
}

// greet is the caller's side.
func (t *Transport) greet(conn net.Conn, peer int32, kind byte) error {
	h := hello{version: protocolVersion, kind: kind, secret: len(t.cfg.Secret) > 0, clusterID: t.cfg.ClusterID, from: t.cfg.NodeID, to: peer}
	if err := t.nonce(h.nonce[:]); err != nil {
		return err
	}
	said := h.encode()
	if _, err := conn.Write(said); err != nil {
		return err
	}
	a, err := readAnswer(conn)
	if err != nil {
		return fmt.Errorf("no answer to the handshake: %w", noEOF(err))
	}
	if a.reason != "" {
		return &Refused{a.reason, "it refused: " + a.text}
	}
	if a.secret != h.secret {
		return refuse(refusedSecret, "one of both has a secret and the other has none: give all metadata nodes the same --cluster.secret.file")
	}
	if !h.secret {
		return nil
	}
	heard := a.encode()
	theirs := make([]byte, proofSize)
	if _, err := io.ReadFull(conn, theirs); err != nil {
		return noEOF(err)
	}
	if !hmac.Equal(theirs, proof(t.cfg.Secret, "callee", said, heard)) {
		return refuse(refusedSecret, "it does not know this node's secret: give all metadata nodes the same --cluster.secret.file")
	}
	if _, err := conn.Write(proof(t.cfg.Secret, "caller", said, heard)); err != nil {
		return err
	}
	final, err := readAnswer(conn)
	if err != nil {
		return noEOF(err)
	}
	if final.reason != "" {
		return &Refused{final.reason, "it refused: " + final.text}
	}
	return nil
}

// admit is the callee's side. The caller is told why it is refused.
func (t *Transport) admit(conn net.Conn) (hello, error) {
	h, err := readHello(conn)
	if err == nil {
		err = t.judge(h)
	}
	a := answer{secret: len(t.cfg.Secret) > 0}
	if err == nil {
		err = t.nonce(a.nonce[:])
	}
	if err != nil {
		sayNo(conn, err)
		return h, err
	}
	heard, said := h.encode(), a.encode()
	if !a.secret {
		_, err := conn.Write(said)
		return h, err
	}
	if _, err := conn.Write(append(said, proof(t.cfg.Secret, "callee", heard, said)...)); err != nil {
		return h, err
	}
	theirs := make([]byte, proofSize)
	if _, err := io.ReadFull(conn, theirs); err != nil {
		return h, noEOF(err)
	}
	if !hmac.Equal(theirs, proof(t.cfg.Secret, "caller", heard, said)) {
		err := refuse(refusedSecret, "the caller does not know the secret: give all metadata nodes the same --cluster.secret.file")
		sayNo(conn, err)
		return h, err
	}
	_, err = conn.Write(answer{}.encode())
	return h, err
}

func sayNo(conn net.Conn, err error) {
	var refused *Refused
	if errors.As(err, &refused) {
		_, _ = conn.Write(answer{reason: refused.Reason, text: refused.Text}.encode()) // it is refused all the same
	}
}

// judge refuses a caller that is in the wrong place.
func (t *Transport) judge(h hello) error {
	switch {
	case h.version != protocolVersion:
		return refuse(refusedProtocol, "node %d speaks version %d of the protocol between metadata nodes, node %d speaks version %d: run releases that are next to each other",
			h.from, h.version, t.cfg.NodeID, protocolVersion)
	case h.kind != streamMessages && h.kind != streamSnapshot:
		return refuse(refusedProtocol, "a stream of kind %d, which node %d does not know", h.kind, t.cfg.NodeID)
	case h.clusterID != t.cfg.ClusterID:
		return refuse(refusedCluster, "node %d is of Metadata cluster %q, node %d is of %q: check the addresses (--raft.advertise, --join) and data folders of both",
			h.from, h.clusterID, t.cfg.NodeID, t.cfg.ClusterID)
	case h.to != t.cfg.NodeID:
		return refuse(refusedNode, "node %d was looked for, and this is node %d: the address (--raft.advertise) that is registered for node %d leads here",
			h.to, t.cfg.NodeID, h.to)
	case !t.knows(h.from):
		return refuse(refusedUnknown, "node %d is not registered in Metadata cluster %q: let it join first (inkwell metadata --join)", h.from, t.cfg.ClusterID)
	case h.secret != (len(t.cfg.Secret) > 0):
		return refuse(refusedSecret, "one of node %d and node %d has a secret and the other has none: give all metadata nodes the same --cluster.secret.file", h.from, t.cfg.NodeID)
	}
	return nil
}

// nonce fills b; the source may not be safe for many.
func (t *Transport) nonce(b []byte) error {
	t.nonceMu.Lock()
	defer t.nonceMu.Unlock()
	if _, err := io.ReadFull(t.cfg.Nonces, b); err != nil {
		return fmt.Errorf("no randomness for the handshake: %w", err)
	}
	return nil
}
