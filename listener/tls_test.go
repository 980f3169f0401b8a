package listener

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"
)

// certificate is a self-signed one that is its own authority, for both sides.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "alice", Organization: []string{"Inkwell"}},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
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
