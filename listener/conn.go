package listener

import "net"

// Conn is one accepted connection.
type Conn struct {
	Net      net.Conn
	Listener string // the listener's name, "PLAINTEXT"
	// Principal is "User:ANONYMOUS" until SASL or a certificate said otherwise.
	Principal string
}
