package listener

import (
	"context"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/internal/slab"
)

// API is one Kafka API that a listener answers. The table of APIs is what ApiVersions tells clients.
type API struct {
	Key                    int16
	MinVersion, MaxVersion int16
	// Serve answers one request. Requests of a connection are given to Serve one after the other, in their order, on the connection's own
	// goroutine: until Serve returns the next request is not looked at (as Kafka mutes a channel). A handler that wants requests
	// pipelined (Produce) hands its work on, returns, and answers later; answers leave in request order all the same.
	Serve func(ctx context.Context, r *Request)
	// Private APIs have bodies that kmsg does not know: Request.Message is nil and Request.Body has the bytes.
	Private bool
}

// Request is one request of a client. It must be answered exactly once, with one of the Reply methods.
type Request struct {
	Conn          *Conn
	Key, Version  int16
	CorrelationID int32
	ClientID      string
	// Message is decoded; its byte slices alias Frame, which lives until the request is answered and every Retain was released.
	Message kmsg.Request
	Body    []byte // after the header
	Frame   *slab.Buffer

	reply func(*Request, Response)
}

// Response is the answer to one request.
type Response struct {
	Message kmsg.Response
	// Vector is used instead of Message where it is set: the encoded body after the response header. It is written without a copy.
	Vector net.Buffers
	// Release is called once the answer was written or the connection died.
	Release func()
	// None: no answer is sent (acks=0). Close ends the connection after it (Kafka does so on malformed requests and on failed acks=0 produce).
	None  bool
	Close bool
}

// Reply answers with a message.
func (r *Request) Reply(m kmsg.Response) { r.reply(r, Response{Message: m}) }

// ReplyWith answers with any form of Response.
func (r *Request) ReplyWith(resp Response) { r.reply(r, resp) }
