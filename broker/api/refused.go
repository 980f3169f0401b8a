package api

import (
	"errors"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/internal/limitedlog"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
)

// code is err's Kafka code; what has no Kafka name is logged in full, for the client only sees UNKNOWN_SERVER_ERROR.
func (h *Handlers) code(r *listener.Request, err error) int16 {
	ke := kafka.ErrorOf(err)
	if ke == nil {
		return 0
	}
	if ke == kerr.UnknownServerError {
		h.log.Error("request failed", append(whose(r), "error", limitedlog.Capped(err.Error()))...)
	}
	return ke.Code
}

// refused logs what a client sent and should not have. Errors that healthy clients meet and get over (a topic that was deleted, a coordinator that is away) are none of these.
func (h *Handlers) refused(r *listener.Request, err error, about ...any) {
	h.log.Warn("request refused", append(append(whose(r), about...), "error", limitedlog.Capped(err.Error()))...)
}

// refusedCode is refused for a code that came from elsewhere. That a topic exists is what many who create it hope for.
func (h *Handlers) refusedCode(r *listener.Request, code int16, message *string, about ...any) {
	ke := kerr.TypedErrorForCode(code)
	if ke == nil || ke.Retriable || ke == kerr.TopicAlreadyExists || ke == kerr.UnknownServerError {
		return
	}
	text := ke.Message
	if message != nil && *message != "" {
		text += ": " + *message
	}
	h.refused(r, errors.New(text), about...)
}

// whose says which request of which client a line is about.
func whose(r *listener.Request) []any {
	return []any{"api", kmsg.NameForKey(r.Key), "version", r.Version, "client_id", limitedlog.Capped(r.ClientID), "peer", remoteHost(r.Conn)}
}

// detail is what an error says beyond its code, for which clients have words of their own; nil for nothing.
func detail(err error) *string {
	text := err.Error()
	var ke *kerr.Error
	if errors.As(err, &ke) {
		text = strings.TrimPrefix(strings.TrimPrefix(text, ke.Error()), ke.Message)
		text = strings.TrimPrefix(text, ": ")
	}
	if text == "" {
		return nil
	}
	return &text
}
