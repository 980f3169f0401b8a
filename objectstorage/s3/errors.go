package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/minio/minio-go/v7"

	"github.com/inkwell-project/inkwell/objectstorage"
)

// maxErrorText caps what a store says: its text goes to logs again and again.
const maxErrorText = 300

// mapError gives a store's answer its meaning. An ended ctx is the reason whatever the client says.
func mapError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) {
		if errors.Is(err, objectstorage.ErrShortRead) || errors.Is(err, objectstorage.ErrDenied) {
			return err
		}
		if errors.Is(err, io.ErrUnexpectedEOF) { // not a short read: about the object it says nothing
			return fmt.Errorf("the connection broke: %w", err)
		}
		return capped{err}
	}
	text := answer.Error()
	if len(text) > maxErrorText {
		text = text[:maxErrorText] + "…"
	}
	said := fmt.Errorf("%s (%d %s)", text, answer.StatusCode, answer.Code)
	if meaning := meaningOf(answer); meaning != nil {
		return fmt.Errorf("%w: %w", meaning, said)
	}
	return said
}

// meaningOf goes by the code first: proxies and servers differ in the status.
func meaningOf(answer minio.ErrorResponse) error {
	switch answer.Code {
	case "PreconditionFailed":
		return objectstorage.ErrExists
	case "ConditionalRequestConflict", "OperationAborted":
		return nil // another writer is at it: ask again
	case "NoSuchBucket":
		return objectstorage.ErrNoBucket
	case "NoSuchKey", "NotFound":
		return objectstorage.ErrNotFound
	case "InvalidRange":
		return objectstorage.ErrShortRead
	case "SlowDown", "SlowDownRead", "SlowDownWrite", "TooManyRequests", "RequestLimitExceeded", "Throttling", "ThrottlingException":
		return objectstorage.ErrThrottled
	case "XMinioStorageFull", "QuotaExceeded", "EntityTooLargeForQuota", "InsufficientStorage":
		return objectstorage.ErrFull
	case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "AccountProblem",
		"AuthorizationHeaderMalformed", "InvalidRegion", "AllAccessDisabled", "UnauthorizedAccess":
		return objectstorage.ErrDenied
	}
	switch answer.StatusCode {
	case http.StatusPreconditionFailed:
		return objectstorage.ErrExists
	case http.StatusNotFound:
		return objectstorage.ErrNotFound
	case http.StatusRequestedRangeNotSatisfiable:
		return objectstorage.ErrShortRead
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return objectstorage.ErrThrottled
	case http.StatusInsufficientStorage:
		return objectstorage.ErrFull
	case http.StatusForbidden, http.StatusUnauthorized:
		return objectstorage.ErrDenied
	}
	return nil
}

// capped shortens an error's text and keeps what it is.
type capped struct{ error }

func (c capped) Error() string {
	text := c.error.Error()
	if len(text) > maxErrorText {
		return text[:maxErrorText] + "…"
	}
	return text
}

func (c capped) Unwrap() error { return c.error }
