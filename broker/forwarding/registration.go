package forwarding

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

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

// Register tells the controller about this broker and returns the broker epoch that it serves under (BrokerRegistration, key 62).
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
	resp, err := f.Forward(ctx, &rpc.ForwardRequest{
		Target:  rpc.Target{Kind: rpc.TargetController},
		Client:  rpc.Client{Principal: "User:broker", ClientID: fmt.Sprintf("inkwell-broker-%d", id.ID)},
		Request: req,
	}, 0)
	if err != nil {
		return 0, fmt.Errorf("registering broker %d: %w", id.ID, err)
	}
	answer := resp.Response.(*kmsg.BrokerRegistrationResponse)
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return 0, fmt.Errorf("the controller refused the registration of broker %d: %w", id.ID, err)
	}
	return answer.BrokerEpoch, nil
}
