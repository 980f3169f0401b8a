package sim

import (
	"net"
	"time"
)

// listen opens an address of the process's host.
func (i *incarnation) listen(address string) net.Listener {
	return clockListener{i.p.w.net.Listen(i.p.host, address), i.clock}
}

// clockListener's connections have deadlines that are times of a process's clock. As on a real system, what was set is a span: a clock that is wrong, or jumps
// later, makes it neither longer nor shorter.
type clockListener struct {
	net.Listener
	clock *processClock
}

func (l clockListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return clockConn{c, l.clock}, nil
}

type clockConn struct {
	net.Conn
	clock *processClock
}

func (c clockConn) SetReadDeadline(t time.Time) error {
	return c.Conn.SetReadDeadline(c.clock.right(t))
}

func (c clockConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }
