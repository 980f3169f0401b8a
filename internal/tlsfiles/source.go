package tlsfiles

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/inkwell-project/inkwell/internal/clock"
)

// Source is what files hold now.
type Source struct {
	files  Files
	clock  clock.Clock
	logger *slog.Logger

	mu   sync.Mutex // guards what follows
	seen fingerprint
	last material
}

// Open reads the files.
func Open(files Files, c clock.Clock, logger *slog.Logger) (*Source, error) {
	s := &Source{files: files, clock: c, logger: logger, seen: files.fingerprint()}
	var err error
	s.last, err = files.read(c.Now())
	return s, err
}

// current looks whether the files have changed. It costs three calls of stat for a connection, beside a handshake's arithmetic.
func (s *Source) current() material {
	seen := s.files.fingerprint()
	s.mu.Lock()
	defer s.mu.Unlock()
	if seen.equal(s.seen) {
		return s.last
	}
	s.seen = seen
	fresh, err := s.files.read(s.clock.Now())
	if err != nil {
		s.logger.Warn("TLS files changed and cannot be used; what was read before stays in force", "error", err)
		return s.last
	}
	s.last = fresh
	s.logger.Info("TLS files were read again", "cert", s.files.Cert.Path, "ca", s.files.CA.Path)
	return s.last
}

// Leaf is the certificate itself, nil without one.
func (s *Source) Leaf() *x509.Certificate {
	if pair := s.current().pair; pair != nil {
		return pair.Leaf
	}
	return nil
}

// Server is a listener's side: the certificate, and the authorities of clients' certificates.
func (s *Source) Server(auth tls.ClientAuthType) *tls.Config {
	now := func() *tls.Config {
		m := s.current()
		c := &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: auth, ClientCAs: m.roots, Time: s.clock.Now}
		if m.pair != nil {
			c.Certificates = []tls.Certificate{*m.pair}
		}
		return c
	}
	outer := now()
	// Without tickets every connection shows its certificate: one that a former authority signed does not live on in a session.
	outer.SessionTicketsDisabled = true
	outer.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		c := now()
		c.SessionTicketsDisabled = true
		return c, nil
	}
	return outer
}

// Client is the other side, for one connection: the authorities of the server's certificate, and the certificate to show if there is one.
func (s *Source) Client() *tls.Config {
	m := s.current()
	c := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: m.roots, Time: s.clock.Now}
	if m.pair != nil {
		// Shown whichever authorities the server names: it says better why it refuses one than its silence would.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return m.pair, nil }
	}
	return c
}

// DialFunc connects to an address.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Dial is dial with TLS spoken over it, by what config returns for each connection. The server's certificate must be valid for the host of the address.
func Dial(dial DialFunc, config func() *tls.Config) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		raw, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		c := config()
		c.ServerName = host
		conn := tls.Client(raw, c)
		if err := conn.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return nil, fmt.Errorf("TLS with %s: %w", address, err)
		}
		return conn, nil
	}
}
