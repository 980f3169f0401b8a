package kafka

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Errors of our own. Everything that has a Kafka name is the *kerr.Error itself, wrapped with what was being done.
var (
	// ErrUnknownOutcome says that a remote write may or may not have happened. Ask again by id; never treat it as failed.
	ErrUnknownOutcome = errors.New("the outcome is unknown")
	// ErrClosed is the answer of a box that is shutting down.
	ErrClosed = errors.New("shutting down")
)

var codes = []struct {
	err  error
	code *kerr.Error
}{
	{ErrUnknownOutcome, kerr.RequestTimedOut}, // retriable: the idempotent producer settles it
	{ErrClosed, kerr.CoordinatorNotAvailable},
	{context.DeadlineExceeded, kerr.RequestTimedOut},
	{context.Canceled, kerr.RequestTimedOut},
}

// ErrorOf is the Kafka error that a client is told of err, or nil for nil. What nothing maps is
// UNKNOWN_SERVER_ERROR; the caller logs it in full.
func ErrorOf(err error) *kerr.Error {
	if err == nil {
		return nil
	}
	var ke *kerr.Error
	if errors.As(err, &ke) {
		return ke
	}
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	return kerr.UnknownServerError
}

// ErrorCode is the code of ErrorOf(err), 0 for nil.
func ErrorCode(err error) int16 {
	if ke := ErrorOf(err); ke != nil {
		return ke.Code
	}
	return 0
}
