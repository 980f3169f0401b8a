package listener

import (
	"net"
	"sync/atomic"
)

// AnonymousPrincipal is who a client is that showed neither certificate nor password.
const AnonymousPrincipal = "User:ANONYMOUS"

// Conn is one accepted connection.
type Conn struct {
	Net      net.Conn
	Listener string // the listener's name, "PLAINTEXT"
	// Principal is "User:ANONYMOUS" until SASL or a certificate said otherwise. It does not change once a request other than ApiVersions
	// and SASL was served: a second authentication must be of the same principal.
	Principal string
	// ID is unique within the process that made the Server.
	ID uint64

	software atomic.Pointer[clientSoftware]
}

type clientSoftware struct{ name, version string }

// Software is the client library's name and version as it told them in ApiVersions, or empty.
func (c *Conn) Software() (name, version string) {
	if s := c.software.Load(); s != nil {
		return s.name, s.version
	}
	return "", ""
}

// Host is the client's address without its port, as Kafka shows it ("/10.0.0.1" is Kafka's way; the caller adds the slash where it wants it).
func (c *Conn) Host() string {
	if c.Net == nil || c.Net.RemoteAddr() == nil {
		return ""
	}
	addr := c.Net.RemoteAddr().String()
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}
