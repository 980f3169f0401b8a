package compaction

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/rpc"
)

// errLeaseLost ends a job whose lease is somebody else's.
var errLeaseLost = errors.New("the lease was lost")

// damaged is an input that cannot be used, ever.
type damaged struct {
	object kafka.ObjectID
	err    error
}

func (d *damaged) Error() string { return fmt.Sprintf("object %s: %v", d.object, d.err) }
func (d *damaged) Unwrap() error { return d.err }

// corrupt is a damaged input whose bytes are wrong.
func corrupt(object kafka.ObjectID, format string, args ...any) error {
	return &damaged{object, fmt.Errorf("%w: %s", kerr.CorruptMessage, fmt.Sprintf(format, args...))}
}

// failWork is what the coordinator is told of err.
func failWork(err error) (cause string, objects []kafka.ObjectID) {
	cause = err.Error()
	if len(cause) > rpc.MaxWorkCause {
		cause = cause[:rpc.MaxWorkCause]
	}
	var d *damaged
	if errors.As(err, &d) {
		objects = append(objects, d.object)
	}
	return cause, slices.Clip(objects)
}

// causeOf is one of few words, for a label.
func causeOf(err error) string {
	var d *damaged
	var ke *kerr.Error
	switch {
	case errors.As(err, &d):
		return "damaged"
	case errors.Is(err, errLeaseLost), errors.Is(err, kerr.FencedInstanceID), errors.Is(err, kerr.StaleBrokerEpoch):
		return "lease"
	case errors.Is(err, context.Canceled), errors.Is(err, kafka.ErrClosed):
		return "closed"
	case errors.Is(err, objectstorage.ErrThrottled):
		return "throttled"
	case errors.As(err, &ke), errors.Is(err, kafka.ErrUnknownOutcome):
		return "coordinator"
	}
	return "storage"
}
