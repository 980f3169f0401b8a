package controller

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/metadata/controller/state"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/topics"
)

const (
	maxListeners    = 100
	maxListenerName = 1024
)

// brokerRegistration answers BrokerRegistration (key 62). Departures from Kafka: a broker needs no log directories and no features, and it is
// unfenced at once, because a diskless broker has nothing to catch up with but the image that it waits for itself. And an incarnation that was not seen before replaces the
// one that is registered, alive or not: a broker that was killed is back at once. The one that it replaced does not get the id back while the newer one lives.
func (c *Controller) brokerRegistration(ctx context.Context, req *kmsg.BrokerRegistrationRequest) (*kmsg.BrokerRegistrationResponse, int64, error) {
	resp := req.ResponseKind().(*kmsg.BrokerRegistrationResponse)
	b, refused := c.registration(req)
	if refused != nil {
		resp.ErrorCode = refused.Code
		return resp, noOffset, nil
	}
	leadership := c.cfg.Log.Leadership()
	if !leadership.IsLeader {
		return nil, noOffset, fmt.Errorf("__metadata of %s: %w", c.cfg.Cluster, kerr.NotCoordinator)
	}
	c.beginReign(leadership.Term)
	cmd := &state.RegisterBroker{Broker: b, Replaceable: -1}
	if err := c.read(ctx, func(r statestore.Reader) {
		if old, ok := state.Broker(r, b.ID); ok {
			cmd.Broker.Superseded = superseded(old, b.IncarnationID)
			if !slices.Contains(old.Superseded, b.IncarnationID) || !c.sessions.live(leadership.Term, old.ID, old.Epoch, c.cfg.Clock.Now()) {
				cmd.Replaceable = old.Epoch
			}
		}
	}); err != nil {
		return nil, noOffset, err
	}
	result, err := c.propose(ctx, cmd)
	if err != nil {
		return nil, noOffset, err
	}
	if refused := result.Errors[0]; refused.Err != nil {
		if c.sessions.tell(b.ID, c.cfg.Clock.Now()) {
			c.cfg.Logger.Warn("refused a registration: a process that registered later with this broker id is alive. Two processes seem to be configured with one broker.id",
				"cluster", c.cfg.Cluster, "broker", b.ID, "error", refused.Err)
		}
		resp.ErrorCode = code(refused)
		return resp, noOffset, nil
	}
	c.sessions.touch(leadership.Term, b.ID, result.Epoch, c.cfg.Clock.Now())
	c.cfg.Logger.Info("registered a broker", "cluster", c.cfg.Cluster, "broker", b.ID, "epoch", result.Epoch, "rack", b.Rack)
	resp.BrokerEpoch = result.Epoch
	return resp, result.Offset, nil
}

// mostSuperseded bounds what is remembered of a broker id's earlier incarnations.
const mostSuperseded = 8

// superseded are the incarnations before the one that registers now.
func superseded(old *topics.Broker, now [16]byte) [][16]byte {
	all := slices.DeleteFunc(slices.Clone(old.Superseded), func(id [16]byte) bool { return id == now })
	if old.IncarnationID != now {
		all = append(all, old.IncarnationID)
	}
	return all[max(0, len(all)-mostSuperseded):]
}

// registration checks a request by itself.
func (c *Controller) registration(req *kmsg.BrokerRegistrationRequest) (topics.Broker, *kerr.Error) {
	b := topics.Broker{ID: req.BrokerID, IncarnationID: req.IncarnationID}
	if c.cfg.ClusterUUID != "" && req.ClusterID != c.cfg.ClusterUUID && req.ClusterID != string(c.cfg.Cluster) {
		return b, kerr.InconsistentClusterID
	}
	if req.BrokerID < 0 || req.IsMigratingZkBroker || len(req.Listeners) == 0 || len(req.Listeners) > maxListeners {
		return b, kerr.InvalidRegistration
	}
	if req.Rack != nil {
		b.Rack = *req.Rack
	}
	if len(b.Rack) > maxListenerName {
		return b, kerr.InvalidRegistration
	}
	for _, l := range req.Listeners {
		if len(l.Name)+len(l.Host) > maxListenerName {
			return b, kerr.InvalidRegistration
		}
		b.Listeners = append(b.Listeners, topics.BrokerListener{Name: l.Name, Host: l.Host, Port: int32(l.Port), SecurityProtocol: l.SecurityProtocol})
	}
	return b, nil
}

// brokerHeartbeat answers BrokerHeartbeat (key 63). A broker that wants to shut down gives its epoch up: it sends this when its uploads are
// committed. WantFence is not looked at: a fenced epoch would never come back.
func (c *Controller) brokerHeartbeat(ctx context.Context, req *kmsg.BrokerHeartbeatRequest) (*kmsg.BrokerHeartbeatResponse, int64, error) {
	leadership := c.cfg.Log.Leadership()
	if !leadership.IsLeader {
		return nil, noOffset, kerr.NotCoordinator
	}
	resp := req.ResponseKind().(*kmsg.BrokerHeartbeatResponse)
	c.beginReign(leadership.Term)
	var known *topics.Broker
	if err := c.view(func(r statestore.Reader) { known, _ = state.Broker(r, req.BrokerID) }); err != nil {
		return nil, noOffset, err
	}
	switch {
	case known == nil:
		resp.ErrorCode = kerr.BrokerIDNotRegistered.Code
		return resp, noOffset, nil
	case known.Epoch != req.BrokerEpoch || known.Fenced:
		resp.ErrorCode = kerr.StaleBrokerEpoch.Code
		return resp, noOffset, nil
	}
	if req.WantShutdown {
		result, err := c.propose(ctx, &state.FenceBroker{Broker: req.BrokerID, Epoch: req.BrokerEpoch})
		if err != nil {
			return nil, noOffset, err
		}
		c.sessions.end(req.BrokerID)
		resp.ErrorCode = code(result.Errors[0])
		resp.IsCaughtUp, resp.IsFenced, resp.ShouldShutdown = true, true, true
		c.cfg.Logger.Info("a broker gave its epoch up to shut down", "cluster", c.cfg.Cluster, "broker", req.BrokerID, "epoch", req.BrokerEpoch)
		return resp, result.Offset, nil
	}
	c.sessions.touch(leadership.Term, req.BrokerID, req.BrokerEpoch, c.cfg.Clock.Now())
	resp.IsFenced, resp.IsCaughtUp = false, req.CurrentMetadataOffset >= req.BrokerEpoch
	return resp, noOffset, nil
}

// unregisterBroker answers UnregisterBroker (key 64). The broker's epoch is over with it.
func (c *Controller) unregisterBroker(ctx context.Context, req *kmsg.UnregisterBrokerRequest) (*kmsg.UnregisterBrokerResponse, int64, error) {
	result, err := c.propose(ctx, &state.UnregisterBroker{Broker: req.BrokerID})
	if err != nil {
		return nil, noOffset, err
	}
	resp := req.ResponseKind().(*kmsg.UnregisterBrokerResponse)
	resp.ErrorCode, resp.ErrorMessage = code(result.Errors[0]), message(result.Errors[0])
	c.sessions.end(req.BrokerID)
	return resp, result.Offset, nil
}
