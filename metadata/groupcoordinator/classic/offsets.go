package classic

import (
	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
)

// ConsumerProtocol is the protocol type whose subscriptions the coordinator can read.
const ConsumerProtocol = "consumer"

// ValidateCommit says whether an OffsetCommit is allowed. A commit keeps the member's session.
func (g *Group) ValidateCommit(memberID string, instance *string, generation int32) *kerr.Error {
	if err := g.validateCommit(memberID, instance, generation); err != nil {
		return err
	}
	if m := g.byID[memberID]; m != nil && (g.state == Stable || g.state == PreparingRebalance) {
		g.restartSession(m)
	}
	return nil
}

func (g *Group) validateCommit(memberID string, instance *string, generation int32) *kerr.Error {
	switch {
	case generation < 0 && g.state == Empty:
		return nil // an operator's tool, or a consumer that assigns partitions itself
	case generation >= 0 || memberID != "" || instance != nil:
		if err := g.validateMember(memberID, instance); err != nil {
			return err
		}
		if generation != g.generation {
			return kerr.IllegalGeneration
		}
	case g.state != Empty:
		return kerr.UnknownMemberID
	}
	if g.state == CompletingRebalance {
		return kerr.RebalanceInProgress
	}
	return nil
}

// ValidateOffsetDelete says whether offsets of the group may be deleted at all.
func (g *Group) ValidateOffsetDelete() *kerr.Error {
	switch {
	case g.state == Dead:
		return kerr.GroupIDNotFound
	case g.state != Empty && g.protocolType != ConsumerProtocol:
		return kerr.NonEmptyGroup
	}
	return nil
}

// Subscriptions says of a topic whether members of the present generation read it. A consumer group whose subscriptions cannot be read
// counts as subscribed to everything. The function may be used after the lock is released.
func (g *Group) Subscriptions() func(topic string) bool {
	topics, unknown := g.subscribed, g.subscribed == nil && g.protocolType == ConsumerProtocol // the map is replaced, never changed
	return func(topic string) bool { return unknown || topics[topic] }
}

// Expiry says from when on the retention of an offset counts.
type Expiry struct {
	// Never: no offset of the group expires now.
	Never bool
	// SinceMillis is when the group became empty, or -1: each offset's retention counts from its commit.
	SinceMillis int64
}

// OffsetExpiry is Kafka's rule: offsets of a group with members do not expire, except those of topics that a stable consumer group no
// longer reads; those of an empty group count from when it became empty; those of a simple group from their commit.
func (g *Group) OffsetExpiry() Expiry {
	switch {
	case g.protocolType == "":
		return Expiry{SinceMillis: -1}
	case g.state == Empty:
		return Expiry{SinceMillis: g.stateSince}
	case g.state == Stable && g.protocolType == ConsumerProtocol && g.subscribed != nil:
		return Expiry{SinceMillis: -1}
	default:
		return Expiry{Never: true}
	}
}

// computeSubscribed reads the topics of all members' subscriptions: Kafka's consumer protocol, of which version 0 begins every version.
func (g *Group) computeSubscribed() map[string]bool {
	if g.protocolType != ConsumerProtocol {
		return nil
	}
	topics := map[string]bool{}
	if len(g.members) == 0 {
		return topics
	}
	if g.protocol == "" {
		return nil
	}
	for _, m := range g.members {
		b := kbin.Reader{Src: m.metadata(g.protocol)}
		b.Int16() // version
		for n := b.ArrayLen(); n > 0 && b.Ok(); n-- {
			topics[b.String()] = true
		}
		b.NullableBytes() // user data
		if !b.Ok() {
			return nil
		}
	}
	return topics
}
