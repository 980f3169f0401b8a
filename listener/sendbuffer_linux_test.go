package listener

import (
	"context"
	"net"
	"syscall"
	"testing"
)

// Linux grants twice what it is asked for, the half for its own records.
func TestSendBufferIsWhatIsAskedFor(t *testing.T) {
	if granted := sendBufferOf(t, 64<<10); granted != 128<<10 {
		t.Errorf("asked for 64 KiB, the socket has %d bytes", granted)
	}
	if granted := sendBufferOf(t, -1); granted == sendBufferOf(t, 0) {
		t.Errorf("the system was to decide, the socket has the default's %d bytes", granted)
	}
}

// sendBufferOf is the size that the system tells of the socket of an accepted connection.
func sendBufferOf(t *testing.T, asked int) (bytes int) {
	t.Helper()
	h := serve(t, Config{SendBufferBytes: asked}, heartbeatAPI(func(_ context.Context, r *Request) { reply(r) }))
	c := h.dial()
	c.send(1, heartbeat("m"))
	c.receive(newHeartbeatResponse()) // it is accepted
	h.mu.Lock()
	defer h.mu.Unlock()
	for conn := range h.conns {
		raw, err := conn.Net.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var optErr error
		err = raw.Control(func(fd uintptr) {
			bytes, optErr = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF)
		})
		if err != nil || optErr != nil {
			t.Fatal(err, optErr)
		}
	}
	return bytes
}
