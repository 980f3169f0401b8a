package authentication_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	franzscram "github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/internal/tlsfiles/tlsfilestest"
	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/metadata/authentication"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
	"github.com/inkwell-project/inkwell/rpc/server"
	"github.com/inkwell-project/inkwell/topics"
)

// clientOf is a certificate of a cluster's brokers.
func clientOf(t *testing.T, ca *tlsfilestest.Authority, commonName string, uris ...string) tls.Certificate {
	t.Helper()
	c := &x509.Certificate{Subject: pkix.Name{CommonName: commonName}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	for _, raw := range uris {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		c.URIs = append(c.URIs, u)
	}
	return ca.Issue(t, "client", c).TLS
}

// limited lets each cluster have two connections.
func limited(t *testing.T) *authentication.Authenticator {
	t.Helper()
	credential, err := authentication.NewCredential("orders", password, bytes.Repeat([]byte{7}, authentication.SaltBytes))
	if err != nil {
		t.Fatal(err)
	}
	a, err := authentication.New(authentication.Config{
		Lookup: func(cluster string) (topics.ScramCredential, bool) { return credential, cluster == "orders" }, Nonce: nonces(), Secret: []byte("a secret"),
		MaxConnections: func(string) int64 { return 2 },
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// serveTLS is a metadata node's listener that takes certificates and passwords.
func serveTLS(t *testing.T, ca *tlsfilestest.Authority, a *authentication.Authenticator) string {
	t.Helper()
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	node := ca.Server(t, "node").TLS
	s, err := listener.New(listener.Config{
		Name: "METADATA", Listener: nl, APIs: server.APIs(byPrincipal{}), OutOfOrder: true, Authenticator: a, Certificate: a.Certificate, RequireAuth: true,
		TLS:   &tls.Config{Certificates: []tls.Certificate{node}, ClientCAs: ca.Pool, ClientAuth: tls.VerifyClientCertIfGiven},
		Clock: fastDelays{clock.System}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return nl.Addr().String()
}

// as asks over a new connection which cluster it is.
func as(t *testing.T, timeout time.Duration, address string, ca *tlsfilestest.Authority, certificates ...tls.Certificate) (c *client.Client, ask func() (string, error)) {
	t.Helper()
	dialer := &tls.Dialer{Config: &tls.Config{RootCAs: ca.Pool, Certificates: certificates}}
	c = client.New(client.Config{Timeout: timeout, Addresses: []string{address}, Dial: dialer.DialContext})
	t.Cleanup(func() { _ = c.Close() })
	return c, func() (string, error) {
		described, err := c.DescribeCluster(t.Context(), &rpc.DescribeClusterRequest{})
		if err != nil {
			return "", err
		}
		return described.UUID, nil
	}
}

func TestACertificateNamesItsCluster(t *testing.T) {
	ca := tlsfilestest.New(t, "CA")
	address := serveTLS(t, ca, limited(t))
	for name, certificate := range map[string]tls.Certificate{
		"by common name": clientOf(t, ca, "orders"), "by URI": clientOf(t, ca, "somebody", "https://else", "inkwell:orders"),
	} {
		c, ask := as(t, 30*time.Second, address, ca, certificate)
		if got, err := ask(); got != "orders" || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		_ = c.Close()
	}
}

func TestCertificatesThatNameNobodyAreRefused(t *testing.T) {
	ca, stranger := tlsfilestest.New(t, "CA"), tlsfilestest.New(t, "CA")
	address := serveTLS(t, ca, limited(t))
	// A refused connection is closed and says nothing: the client tries again until its time is over.
	for name, certificates := range map[string][]tls.Certificate{
		"unknown cluster": {clientOf(t, ca, "payments")}, "no name": {clientOf(t, ca, "")}, "two names": {clientOf(t, ca, "orders", "inkwell:orders", "inkwell:payments")},
		"the URI counts": {clientOf(t, ca, "orders", "inkwell:payments")}, "another CA": {clientOf(t, stranger, "orders")}, "no certificate": nil,
		"of a server": {ca.Issue(t, "server", &x509.Certificate{Subject: pkix.Name{CommonName: "orders"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}).TLS},
	} {
		if _, ask := as(t, 300*time.Millisecond, address, ca, certificates...); func() bool { _, err := ask(); return err == nil }() {
			t.Errorf("%s: let in", name)
		}
	}
}

// A cluster at its limit is refused by a message, not by a silence; a connection that ends makes room, and one that authenticates again counts once.
func TestConnectionsAreCounted(t *testing.T) { synctest.Test(t, testConnectionsAreCounted) }

func testConnectionsAreCounted(t *testing.T) {
	a := limited(t)
	connect := func(id uint64) (end func(), err error) {
		ctx, cancel := context.WithCancel(t.Context())
		e, beginErr := a.Begin(authentication.Mechanism, &listener.Conn{ID: id})
		if beginErr != nil {
			t.Fatal(beginErr)
		}
		session, message, err := franzscram.Auth{User: "orders", Pass: password}.AsSha512Mechanism().Authenticate(t.Context(), "node")
		if err != nil {
			t.Fatal(err)
		}
		for done := false; !done; {
			answer, _, err := e.Step(ctx, message)
			if err != nil {
				return cancel, err
			}
			if done, message, err = session.Challenge(answer); err != nil {
				t.Fatal(err)
			}
		}
		return cancel, nil
	}
	var ends []func()
	for _, id := range []uint64{1, 2, 2} {
		end, err := connect(id)
		if err != nil {
			t.Fatalf("connection %d: %v", id, err)
		}
		ends = append(ends, end)
	}
	end, err := connect(3)
	if !errors.Is(err, kerr.SaslAuthenticationFailed) || !strings.Contains(err.Error(), "max.connections=2") {
		t.Errorf("one too many: %v", err)
	}
	end()
	for _, end := range ends {
		end()
	}
	synctest.Wait()
	if n := a.Connections("orders"); n != 0 {
		t.Errorf("%d connections are left", n)
	}
	if end, err = connect(4); err != nil {
		t.Errorf("after the others ended: %v", err)
	}
	end()
	synctest.Wait()
}
