package listener

import (
	"context"
	"net"
	"time"

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
	// Private APIs have bodies that kmsg does not know: Request.Message is nil and Request.Body has the bytes. They are not told to clients.
	Private bool
	// InOrder, on a listener that is OutOfOrder: requests are served on the connection's own goroutine all the same, one after the other. Kafka's own clients
	// count on the order of answers; with Serve answering before it returns, those of all InOrder APIs keep theirs.
	InOrder bool
	// Name is the label of a private API in metrics and logs; others have Kafka's name.
	Name string
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
	// Received is when the last byte of the frame was read.
	Received time.Time

	reply func(*Request, Response)
	call  *call // nil for a request that came from NewRequest
}

// NewRequest makes a request that did not come from a socket: one that travels inside another (Envelope), or a test's. The answer is given to
// reply, which takes over the duties of Response (Release). The request has no Frame.
func NewRequest(conn *Conn, m kmsg.Request, reply func(Response)) *Request {
	return &Request{
		Conn: conn, Key: m.Key(), Version: m.GetVersion(), Message: m,
		reply: func(_ *Request, resp Response) { reply(resp) },
	}
}

// Response is the answer to one request.
type Response struct {
	// Message is encoded before Reply returns; its version is set to the request's.
	Message kmsg.Response
	// Vector is used instead of Message where it is set: the encoded body after the response header. It is written without a copy.
	Vector net.Buffers
	// Release is called once the answer was written or the connection died.
	Release func()
	// None: no answer is sent (acks=0). Close ends the connection after it (Kafka does so on malformed requests and on failed acks=0 produce).
	None  bool
	Close bool
	// Throttle: the next request of this connection is not read for so long (quotas).
	Throttle time.Duration
}

// Reply answers with a message.
func (r *Request) Reply(m kmsg.Response) { r.reply(r, Response{Message: m}) }

// ReplyWith answers with any form of Response.
func (r *Request) ReplyWith(resp Response) { r.reply(r, resp) }

// ReplyNone ends the request without an answer (acks=0).
func (r *Request) ReplyNone() { r.reply(r, Response{None: true}) }
