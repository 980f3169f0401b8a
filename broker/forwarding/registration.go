package forwarding

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/topics"
)

// Identity is who a broker says it is when it registers.
type Identity struct {
	ID            int32
	IncarnationID [16]byte // new for each start of the process
	ClusterID     string
	Rack          string
	Listeners     []topics.BrokerListener
	Version       string
}

// Register tells the controller about this broker and returns the broker epoch that it serves under (BrokerRegistration, key 62). A process that starts takes the id
// over at once, so that one that was killed is replaced without a pause; the one that was replaced, if it lives, waits here until ctx ends or its replacement is dead.
// The broker's image shows the registration when it returns.
func (f *Forwarder) Register(ctx context.Context, id Identity) (epoch int64, err error) {
	req := kmsg.NewPtrBrokerRegistrationRequest()
	req.SetVersion(req.MaxVersion())
	req.BrokerID = id.ID
	req.IncarnationID = id.IncarnationID
	req.ClusterID = id.ClusterID
	if id.Rack != "" {
		req.Rack = &id.Rack
	}
	for _, l := range id.Listeners {
		rl := kmsg.NewBrokerRegistrationRequestListener()
		rl.Name, rl.Host, rl.Port, rl.SecurityProtocol = l.Name, l.Host, uint16(l.Port), l.SecurityProtocol
		req.Listeners = append(req.Listeners, rl)
	}
	told := false
	for {
		resp, err := f.asBroker(ctx, id.ID, req)
		if err != nil {
			return 0, fmt.Errorf("registering broker %d: %w", id.ID, err)
		}
		answer := resp.(*kmsg.BrokerRegistrationResponse)
		err = kerr.ErrorForCode(answer.ErrorCode)
		if err == nil {
			return answer.BrokerEpoch, nil
		}
		err = fmt.Errorf("the controller refused the registration of broker %d: %w", id.ID, err)
		if !errors.Is(err, kerr.DuplicateBrokerRegistration) {
			return 0, err
		}
		if !told {
			told = true
			f.cfg.Logger.Error("another process registered with this broker id after this one and is alive; this one serves no producers until that one's session ends. Give one of them another --broker.id",
				"broker", id.ID)
		}
		if sleepErr := clock.Sleep(ctx, f.cfg.Clock, registrationRetry); sleepErr != nil {
			return 0, fmt.Errorf("%w; another process registered with this id later and is alive: give one of them another --broker.id", err)
		}
	}
}

const registrationRetry = time.Second

// Heartbeat keeps a registration alive (BrokerHeartbeat, key 63). kerr.StaleBrokerEpoch or kerr.BrokerIDNotRegistered: the epoch is over. With leaving
// the epoch ends at once, so that a restarted broker need not wait for its session.
func (f *Forwarder) Heartbeat(ctx context.Context, broker int32, epoch, metadataOffset int64, leaving bool) error {
	req := kmsg.NewPtrBrokerHeartbeatRequest()
	req.BrokerID, req.BrokerEpoch, req.CurrentMetadataOffset, req.WantShutdown, req.WantFence = broker, epoch, metadataOffset, leaving, leaving
	resp, err := f.asBroker(ctx, broker, req)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.(*kmsg.BrokerHeartbeatResponse).ErrorCode)
}

// asBroker asks the controller on this broker's own behalf.
func (f *Forwarder) asBroker(ctx context.Context, id int32, req kmsg.Request) (kmsg.Response, error) {
	resp, err := f.Forward(ctx, &rpc.ForwardRequest{
		Target:  rpc.Target{Kind: rpc.TargetController},
		Client:  rpc.Client{Principal: "User:broker", ClientID: fmt.Sprintf("inkwell-broker-%d", id)},
		Request: req,
	}, 0)
	if err != nil {
		return nil, err
	}
	return resp.Response, nil
}
