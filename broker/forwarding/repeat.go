package forwarding

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
)

// elsewhere are the errors that say: nothing was done, the coordinator is elsewhere, not there yet, or has too much to do.
var elsewhere = []*kerr.Error{kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress, kerr.NotController, kerr.ThrottlingQuotaExceeded}

// retriable gives an error that the time was over for the code that the clients of that API take for a reason to try again, whatever the reason was here:
// many give up at codes that they do not expect. left: the caller does not wait any more.
func retriable(kind rpc.TargetKind, err error, left bool) error {
	if errors.Is(err, kafka.ErrClosed) {
		return err
	}
	stale := errors.Is(err, kerr.StaleBrokerEpoch) // the client goes on with another broker, or with this one when it has registered anew
	ended := left || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
	switch {
	case kind == rpc.TargetController && (nothingDone(err) || stale):
		return fmt.Errorf("%w: %w", kerr.NotController, err)
	case kind != rpc.TargetController && (nothingDone(err) || unknown(err) || ended || stale):
		return fmt.Errorf("%w: %w", kerr.CoordinatorNotAvailable, err)
	}
	return err
}

// nothingDone says that the request certainly had no effect, so that it may be repeated.
func nothingDone(err error) bool {
	for _, ke := range elsewhere {
		if errors.Is(err, ke) {
			return !errors.Is(err, kafka.ErrUnknownOutcome)
		}
	}
	return false
}

// unknown says that the request may have had its effect.
func unknown(err error) bool {
	return errors.Is(err, kafka.ErrUnknownOutcome) || errors.Is(err, kerr.RequestTimedOut)
}

// harmless says that doing the request twice is as doing it once, also later. An OffsetCommit is not: its client may have committed more elsewhere meanwhile.
func harmless(req kmsg.Request) bool {
	switch m := req.(type) {
	case *kmsg.JoinGroupRequest:
		// A member that has a name takes its own place again. Since v4 one without a name is first given one, and is no member before it uses it.
		return m.Version >= 4 || m.MemberID != "" || m.InstanceID != nil
	case *kmsg.SyncGroupRequest, *kmsg.HeartbeatRequest, *kmsg.LeaveGroupRequest, *kmsg.OffsetFetchRequest,
		*kmsg.DescribeGroupsRequest, *kmsg.ListGroupsRequest, *kmsg.BrokerRegistrationRequest, *kmsg.BrokerHeartbeatRequest,
		*kmsg.AlterConfigsRequest, *kmsg.IncrementalAlterConfigsRequest: // what is appended to a list is in it once
		return true
	}
	return false
}

// lateCommit is how long after its arrival an OffsetCommit may still be sent again: less than a broker's session. A broker that was paused for longer must
// not wake up and set a group back behind what its members have committed through other brokers.
const lateCommit = 5 * time.Second

func tooLate(req kmsg.Request, age time.Duration) bool {
	_, commit := req.(*kmsg.OffsetCommitRequest)
	return commit && age > lateCommit
}

// moved says that a group's answer is only about its coordinator: it lost its place or does not have the group yet. Such answers reach a client
// only when the time is over, for this broker is what the client takes for the coordinator.
func moved(resp kmsg.Response) bool {
	switch m := resp.(type) {
	case *kmsg.JoinGroupResponse:
		return isElsewhere(m.ErrorCode)
	case *kmsg.SyncGroupResponse:
		return isElsewhere(m.ErrorCode)
	case *kmsg.HeartbeatResponse:
		return isElsewhere(m.ErrorCode)
	case *kmsg.LeaveGroupResponse:
		return isElsewhere(m.ErrorCode)
	case *kmsg.ListGroupsResponse:
		return isElsewhere(m.ErrorCode)
	case *kmsg.OffsetDeleteResponse:
		return isElsewhere(m.ErrorCode)
	case *kmsg.OffsetFetchResponse:
		return isElsewhere(m.ErrorCode) || (len(m.Groups) > 0 && isElsewhere(m.Groups[0].ErrorCode)) ||
			(len(m.Topics) > 0 && len(m.Topics[0].Partitions) > 0 && isElsewhere(m.Topics[0].Partitions[0].ErrorCode))
	case *kmsg.OffsetCommitResponse: // one write: all partitions or none
		return len(m.Topics) > 0 && len(m.Topics[0].Partitions) > 0 && isElsewhere(m.Topics[0].Partitions[0].ErrorCode)
	case *kmsg.DescribeGroupsResponse:
		return len(m.Groups) > 0 && isElsewhere(m.Groups[0].ErrorCode)
	case *kmsg.DeleteGroupsResponse:
		return len(m.Groups) > 0 && isElsewhere(m.Groups[0].ErrorCode)
	}
	return false
}

func isElsewhere(code int16) bool {
	for _, ke := range elsewhere {
		if code == ke.Code {
			return true
		}
	}
	return false
}
