package listener

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"testing"

	"github.com/inkwell-project/inkwell/internal/tlsfiles/tlsfilestest"
)

// certificate is one for both sides, and the authorities to believe.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	ca := tlsfilestest.New(t, "CA")
	return ca.Issue(t, "alice", &x509.Certificate{
		Subject: pkix.Name{CommonName: "alice", Organization: []string{"Inkwell"}}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}).TLS, ca.Pool
}

func TestTLSClientCertificateIsThePrincipal(t *testing.T) {
	cert, pool := certificate(t)
	principals := make(chan string, 1)
	h := serve(t, Config{TLS: &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven}}, tellPrincipal(principals))
	for _, tc := range []struct {
		certs []tls.Certificate
		want  string
	}{{[]tls.Certificate{cert}, "User:CN=alice,O=Inkwell"}, {nil, AnonymousPrincipal}} {
		raw := h.dial()
		c := &client{t, tls.Client(raw.Conn, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", Certificates: tc.certs})}
		c.send(1, heartbeat("m"))
		c.receive(newHeartbeatResponse())
		if got := <-principals; got != tc.want {
			t.Errorf("principal %q, want %q", got, tc.want)
		}
	}
	plain := h.dial()
	plain.send(1, heartbeat("m"))
	waitFor(t, func() bool { _, err := plain.Read(make([]byte, 100)); return err != nil })
}
