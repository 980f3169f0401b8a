package listener

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/inkwell-project/inkwell/internal/slab"
)

// replyOnConnection is Request.reply of a request from a socket. It encodes on the caller's goroutine, so that the frame, which the message
// may alias, goes back at once and a client that reads slowly holds no credits.
func replyOnConnection(r *Request, resp Response) {
	cl := r.call
	c := cl.conn
	first, alive := c.q.claim(cl)
	if !first {
		c.s.log.Error("a request was answered twice; the second answer is dropped", "api", cl.api.name, "peer", c.peer())
		release(resp)
		return
	}
	if !alive {
		release(resp)
		releaseFrame(r.Frame)
		return
	}
	out := c.encode(cl, resp)
	releaseFrame(r.Frame)
	if resp.Throttle > 0 {
		c.mutedUntil.Store(c.s.cfg.Clock.Now().Add(resp.Throttle).UnixNano())
	}
	c.q.complete(cl, out)
}

func release(resp Response) {
	if resp.Release != nil {
		resp.Release()
	}
}

func releaseFrame(b *slab.Buffer) {
	if b != nil {
		b.Release()
	}
}

// encode makes the answer's bytes. A message that cannot be encoded closes the connection: its client waits for an answer that does not come.
func (c *connection) encode(cl *call, resp Response) (out answer) {
	out = answer{release: resp.Release, none: resp.None, close: resp.Close}
	if resp.None {
		return out
	}
	defer func() {
		if p := recover(); p != nil {
			_ = c.panicked(fmt.Sprintf("encoding the answer to %s version %d: %v", cl.api.name, cl.req.Version, p))
			out = answer{release: resp.Release, none: true, close: true}
		}
	}()
	b := append(getScratch(), 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(cl.req.CorrelationID))
	if cl.req.Version >= cl.api.flexibleResponse {
		b = append(b, 0) // no tagged fields
	}
	var vectorBytes int64
	if resp.Vector != nil {
		out.vector = resp.Vector
		for _, v := range resp.Vector {
			vectorBytes += int64(len(v))
		}
	} else {
		if resp.Message.GetVersion() != cl.req.Version {
			resp.Message.SetVersion(cl.req.Version)
		}
		b = resp.Message.AppendTo(b)
	}
	size := int64(len(b)) - 4 + vectorBytes
	if size > math.MaxInt32 {
		panic(fmt.Sprintf("%d bytes do not fit a frame", size))
	}
	binary.BigEndian.PutUint32(b, uint32(size))
	out.head, out.bytes = b, size+4
	return out
}
