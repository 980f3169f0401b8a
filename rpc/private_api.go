package rpc

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/kafka"
)

// Keys of the private APIs, far from Kafka's own. A private request has a Kafka request header (version 1, so not flexible) and a Message as its body.
const (
	KeyCommitObjects       int16 = 20000
	KeyFindSegments        int16 = 20001
	KeyListOffsets         int16 = 20002
	KeyDeleteRecords       int16 = 20003
	KeyDescribePartitions  int16 = 20004
	KeyRequestWork         int16 = 20005
	KeyCheckReleased       int16 = 20006
	KeyCompleteWork        int16 = 20007
	KeyFollowTopic         int16 = 20008
	KeyAllocateProducerIDs int16 = 20009
	KeyDescribeCluster     int16 = 20010
	KeyFindLeaders         int16 = 20011
	KeyRenewWork           int16 = 20012
	KeyFailWork            int16 = 20013
	KeyDescribeWork        int16 = 20014
	KeyRetryWork           int16 = 20015
	KeyDescribeCoordinates int16 = 20016
	KeyDescribeObjects     int16 = 20017
	KeyReportCost          int16 = 20018
	KeyDescribeCost        int16 = 20019
)

// Keys of the private APIs of ClusterAdmin, for administrators of the Metadata Kafka Cluster.
const (
	KeyCreateCluster          int16 = 20100
	KeyListClusters           int16 = 20101
	KeyDescribeInklessCluster int16 = 20102
	KeyDeleteCluster          int16 = 20103
)

// Keys of the private APIs of NodeAdmin, for administrators, and of NodePeers, for the nodes themselves.
const (
	KeyListNodes            int16 = 20110
	KeySetNode              int16 = 20111
	KeyAddBatchCoordinators int16 = 20112

	KeyDescribeNodes int16 = 20200
	KeyRegisterNode  int16 = 20201
	KeyNodeStatus    int16 = 20202
	KeyCompleteMove  int16 = 20203
	KeyDescribeGroup int16 = 20204
)

// Tags of Kafka's Envelope request and response (key 58) that carry what a proxied call needs beyond Kafka's own fields.
const (
	EnvelopeTargetTag         uint32 = 20000 // request: the Target
	EnvelopeMetadataOffsetTag uint32 = 20000 // response: the metadata offset, a sint64
	EnvelopeLeaderTag         uint32 = 20001 // response with NOT_COORDINATOR: where the leader is, a NotLeader
	EnvelopeTopicIDsTag       uint32 = 20001 // request: the ids of its topics, see AppendTopicIDs
	EnvelopeSenderTag         uint32 = 20002 // request: the Sender; left out for none
)

// unknownOutcomeCode is kafka.ErrUnknownOutcome on the wire; Kafka's codes are non-negative but for UNKNOWN_SERVER_ERROR (-1).
const unknownOutcomeCode = -2

// Reply is the body of a private answer: a Message, an error, or an error with a Message that explains it (FollowTopic's OFFSET_OUT_OF_RANGE).
type Reply struct {
	Err  error
	Body []byte
}

// Append encodes r. An error travels as its Kafka code and text; callers compare codes with errors.Is, never text.
func (r *Reply) Append(b []byte) []byte {
	b = wire.AppendBytes(b, 3, r.Body)
	if r.Err == nil {
		return b
	}
	code := int64(kafka.ErrorCode(r.Err))
	if errors.Is(r.Err, kafka.ErrUnknownOutcome) {
		code = unknownOutcomeCode
	}
	b = wire.AppendString(wire.AppendSint(b, 1, code), 2, r.Err.Error())
	if hint := LeaderHint(r.Err); hint != nil {
		b = wire.AppendBytes(b, 4, hint)
	}
	return b
}

// Decode reads what Append wrote; Body aliases b.
func (r *Reply) Decode(b []byte) error {
	var code int64
	var text string
	var hint []byte
	err := decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			code = d.Sint()
		case 2:
			text = d.String()
		case 3:
			r.Body = d.Bytes()
		case 4:
			hint = d.Bytes()
		}
	})
	switch {
	case err != nil:
		return err
	case code == unknownOutcomeCode:
		r.Err = fmt.Errorf("%s: %w", text, kafka.ErrUnknownOutcome)
	case code != 0:
		r.Err = WithLeaderHint(fmt.Errorf("%s: %w", text, kerr.ErrorForCode(int16(code))), hint)
	}
	return nil
}

// Append encodes t for an Envelope.
func (t *Target) Append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(t.Kind))
	b = wire.AppendString(b, 2, t.Group)
	return wire.AppendSint(b, 3, int64(t.Partition))
}

// Decode reads what Append wrote.
func (t *Target) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			t.Kind = TargetKind(d.Sint())
		case 2:
			t.Group = d.String()
		case 3:
			t.Partition = int32(d.Sint())
		}
	})
}

// Append encodes s for an Envelope.
func (s *Sender) Append(b []byte) []byte {
	return wire.AppendSint(wire.AppendSint(b, 1, int64(s.Broker)), 2, s.Epoch)
}

// Decode reads what Append wrote.
func (s *Sender) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			s.Broker = int32(d.Sint())
		case 2:
			s.Epoch = d.Sint()
		}
	})
}

// Append encodes c as an Envelope's principal.
func (c *Client) Append(b []byte) []byte {
	b = wire.AppendString(b, 1, c.Principal)
	b = wire.AppendString(b, 2, c.ClientID)
	b = wire.AppendString(b, 3, c.Host)
	return wire.AppendString(b, 4, c.Listener)
}

// Decode reads what Append wrote.
func (c *Client) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			c.Principal = d.String()
		case 2:
			c.ClientID = d.String()
		case 3:
			c.Host = d.String()
		case 4:
			c.Listener = d.String()
		}
	})
}
