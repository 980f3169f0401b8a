package listener

import (
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/internal/slab"
)

// dispatch finds the API of a frame and serves it, on the reader's goroutine unless answers may overtake each other. It takes over the frame.
func (c *connection) dispatch(frame *slab.Buffer) error {
	cl := &call{conn: c}
	cl.req = Request{Conn: &c.Conn, Frame: frame, Received: c.s.cfg.Clock.Now(), reply: replyOnConnection, call: cl}
	if err := c.resolve(cl); err != nil {
		frame.Release()
		return err
	}
	cl.api.count.Inc()
	c.q.add(cl)
	switch cl.req.Key {
	case apiVersionsKey, saslHandshakeKey, saslAuthenticateKey:
		return c.serve(cl)
	}
	if c.s.cfg.OutOfOrder && !cl.api.InOrder {
		c.wg.Go(func() {
			if err := c.serve(cl); err != nil {
				c.logEnd(err)
				c.die(err)
			}
		})
		return nil
	}
	return c.serve(cl)
}

// resolve reads the header and finds the API. Kafka closes the connection when it does not know the key or the version, and so do we: there is
// no answer that such a client could read.
func (c *connection) resolve(cl *call) error {
	r := &cl.req
	b := r.Frame.Bytes() // 8 bytes at least
	r.Key, r.Version = int16(binary.BigEndian.Uint16(b)), int16(binary.BigEndian.Uint16(b[2:]))
	r.CorrelationID = int32(binary.BigEndian.Uint32(b[4:]))
	cl.api = c.s.apis[r.Key]
	if cl.api == nil {
		return fmt.Errorf("%w: API key %d (version %d) is not supported here", ErrRefused, r.Key, r.Version)
	}
	if err := c.checkAuthenticated(cl); err != nil {
		return err
	}
	if r.Version < cl.api.MinVersion || r.Version > cl.api.MaxVersion {
		if r.Key == apiVersionsKey {
			return nil // has an answer of its own, and a header that nobody knows
		}
		return fmt.Errorf("%w: %s version %d is not supported, versions are %d to %d", ErrRefused, cl.api.name, r.Version, cl.api.MinVersion, cl.api.MaxVersion)
	}
	body, err := c.readHeaderTail(b[8:], r.Version >= cl.api.flexibleRequest)
	if err != nil {
		return fmt.Errorf("%w: header of %s version %d: %w", ErrMalformed, cl.api.name, r.Version, err)
	}
	r.ClientID, r.Body = c.clientID, body
	return nil
}

// readHeaderTail reads the client id and tagged fields and returns the body.
func (c *connection) readHeaderTail(b []byte, flexible bool) ([]byte, error) {
	w := &walker{b: b, bound: maxHeaderBytes}
	if id := w.nullableString(); string(id) != c.clientID { // the comparison does not allocate
		c.clientID = string(id)
	}
	if flexible {
		w.tags()
	}
	return w.b, w.err
}

// serve decodes and runs one request. An error closes the connection.
func (c *connection) serve(cl *call) (err error) {
	defer func() {
		p := recover()
		if p != nil {
			err = c.panicked(p)
		}
		if err != nil {
			// A handler that panics must not have handed the request on: its frame goes back to the pool here.
			cl.req.reply(&cl.req, Response{None: true, Close: true})
		}
	}()
	switch cl.req.Key {
	case apiVersionsKey:
		return c.serveAPIVersions(cl)
	case saslHandshakeKey, saslAuthenticateKey:
		if err := cl.decode(); err != nil {
			return err
		}
		return c.serveSASL(cl)
	}
	if err := cl.decode(); err != nil {
		return err
	}
	cl.api.Serve(c.ctx, &cl.req)
	return nil
}

// decode fills Request.Message. The walk before it bounds what the decoder will allocate.
func (cl *call) decode() error {
	r := &cl.req
	if cl.api.Private {
		return nil
	}
	if err := cl.api.shapes[r.Version-cl.api.MinVersion].check(r.Body); err != nil {
		return fmt.Errorf("%w: %s version %d from client %q: %w", ErrMalformed, cl.api.name, r.Version, r.ClientID, err)
	}
	m := kmsg.RequestForKey(r.Key)
	m.SetVersion(r.Version)
	if err := m.ReadFrom(r.Body); err != nil {
		return fmt.Errorf("%w: %s version %d from client %q: %w", ErrMalformed, cl.api.name, r.Version, r.ClientID, err)
	}
	r.Message = m
	return nil
}
