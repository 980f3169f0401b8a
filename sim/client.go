package sim

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kafkaClient speaks the Kafka protocol as a client does, one broker at a time. It is small so that a run controls every step of it: what is
// retried, where, and what is known then.
type kafkaClient struct {
	w       *World
	name    string
	cluster *cluster
	random  *rand.Rand
	conn    net.Conn
	broker  *brokerServer
	number  int32 // of requests
	unread  []int32
}

func (w *World) newClient(name string, c *cluster) *kafkaClient {
	return &kafkaClient{w: w, name: name, cluster: c, random: w.source.Rand(name)}
}

// requestTimeout is how long a client waits for an answer.
const requestTimeout = 10 * time.Second

// connect connects to any broker: each serves every partition.
func (c *kafkaClient) connect(ctx context.Context) error {
	if c.conn != nil {
		return nil
	}
	if c.broker == nil || c.random.IntN(3) == 0 {
		c.broker = c.cluster.brokers[c.random.IntN(len(c.cluster.brokers))]
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	conn, err := c.w.net.Dialer(c.name, func() bool { return true })(ctx, "tcp", c.broker.address())
	if err != nil {
		c.broker = nil
		return err
	}
	c.conn, c.unread = conn, nil
	return nil
}

func (c *kafkaClient) disconnect() {
	if c.conn != nil {
		_ = c.conn.Close() // it may be broken already
		c.conn = nil
	}
	c.broker = nil
}

// send writes a request; receive reads the answers in order.
func (c *kafkaClient) send(req kmsg.Request) error {
	c.number++
	b := kmsg.NewRequestFormatter(kmsg.FormatterClientID(c.name)).AppendRequest(nil, req, c.number)
	c.unread = append(c.unread, c.number)
	_, err := c.conn.Write(b)
	return err
}

func (c *kafkaClient) receive(ctx context.Context, wait time.Duration, req kmsg.Request) (kmsg.Response, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return nil, err
	}
	conn := c.conn                                                                       // the client may have another one, or none, when ctx ends
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })() // a closed connection needs no deadline
	var size [4]byte
	if _, err := io.ReadFull(c.conn, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(c.conn, b); err != nil {
		return nil, err
	}
	if got := int32(binary.BigEndian.Uint32(b)); got != c.unread[0] {
		return nil, c.w.violation("answers out of order: %s read answer %d, want %d", c.name, got, c.unread[0])
	}
	c.unread = c.unread[1:]
	b = b[4:]
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if resp.IsFlexible() && resp.Key() != int16(kmsg.ApiVersions) {
		b = b[1:]
	}
	return resp, resp.ReadFrom(b)
}

// do makes one request. An error means that the outcome is unknown.
func (c *kafkaClient) do(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	return c.doFor(ctx, requestTimeout, req)
}

func (c *kafkaClient) doFor(ctx context.Context, wait time.Duration, req kmsg.Request) (kmsg.Response, error) {
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	err := c.send(req)
	var resp kmsg.Response
	if err == nil {
		resp, err = c.receive(ctx, wait, req)
	}
	if err != nil {
		c.disconnect()
		return nil, fmt.Errorf("%s: %w", kmsg.NameForKey(req.Key()), err)
	}
	return resp, nil
}

// backoff waits as clients do between attempts.
func (c *kafkaClient) backoff(ctx context.Context) bool {
	return sleep(ctx, 50*time.Millisecond+time.Duration(c.random.Int64N(int64(200*time.Millisecond)))) == nil
}

// until repeats a request that does no harm when it is done twice.
func until[R kmsg.Response](ctx context.Context, c *kafkaClient, req kmsg.Request, code func(R) int16) (R, error) {
	for {
		resp, err := c.do(ctx, req)
		if err == nil {
			r := resp.(R)
			if err = kerr.ErrorForCode(code(r)); err == nil {
				return r, nil
			}
			c.w.trace.Add("refused", c.name, kmsg.NameForKey(req.Key()), err.Error())
			if !kerr.IsRetriable(err) {
				return r, err
			}
		}
		if !c.backoff(ctx) {
			var none R
			return none, errors.Join(err, context.Cause(ctx))
		}
	}
}
