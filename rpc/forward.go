package rpc

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Forwarder proxies standard Kafka requests to the coordinator that owns them, in Envelope requests (KIP-590).
type Forwarder interface {
	// Forward sends req to target's leader and returns its answer. Kafka error codes stay inside the answer; an error means that there is none.
	// metadataOffset is the offset of __metadata whose record the answer depends on, -1 for none: the broker answers its client only when its own
	// image has reached it.
	Forward(ctx context.Context, req *ForwardRequest) (*ForwardResponse, error)
}

// Target says which coordinator of the cluster is meant.
type Target struct {
	Kind TargetKind
	// Group is the group id whose coordinator is meant, with TargetGroup.
	Group string
	// Partition is the partition of __consumer_offsets that is meant, with TargetGroupPartition (ListGroups asks all).
	Partition int32
}

// TargetKind is a kind of coordinator.
type TargetKind int8

// The coordinators that take proxied requests.
const (
	TargetController TargetKind = iota
	TargetGroup
	TargetGroupPartition
	// TargetBatchCoordinator takes no proxied requests; FindLeaders lists its partitions.
	TargetBatchCoordinator
)

// Client describes on whose behalf a request is proxied.
type Client struct {
	Principal string // "User:ANONYMOUS"
	ClientID  string
	Host      string // the client's address, as DescribeGroups shows it
	Listener  string
}

// ForwardRequest carries one decoded request; its version is set on it.
type ForwardRequest struct {
	Target  Target
	Client  Client
	Request kmsg.Request
	// Sender is the registration under which the broker took the request from its client; nil: it does not depend on one. kerr.StaleBrokerEpoch: that registration
	// is over, and nothing was done. What lay in the sockets of a broker that was paused would otherwise undo what its clients did elsewhere.
	Sender *Sender
}

// Sender is a broker's registration.
type Sender struct {
	Broker int32
	Epoch  int64
}

// ForwardResponse carries the decoded answer.
type ForwardResponse struct {
	Response       kmsg.Response
	MetadataOffset int64
}
