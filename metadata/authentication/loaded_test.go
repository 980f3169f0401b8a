package authentication_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	franzscram "github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/metadata/authentication"
	"github.com/inkwell-project/inkwell/topics"
)

// A node that has just started refuses nobody for good: who is not known, or has another password than the node knows, may come back. Who is known is let in.
func TestNobodyIsRefusedBeforeAllIsLoaded(t *testing.T) {
	credential, err := authentication.NewCredential("orders", password, bytes.Repeat([]byte{7}, authentication.SaltBytes))
	if err != nil {
		t.Fatal(err)
	}
	loaded, arrives := false, false // arrives: everything is loaded right after the credential was looked up
	a, err := authentication.New(authentication.Config{
		Lookup: func(cluster string) (topics.ScramCredential, bool) {
			loaded = loaded || arrives
			return credential, cluster == "orders"
		},
		Loaded: func(cluster string) bool { return loaded || cluster == "admin" }, Nonce: nonces(),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := func(user, pass string, code *kerr.Error) {
		t.Helper()
		_, who, err := exchange(t, a, franzscram.Auth{User: user, Pass: pass})
		if code == nil && (err != nil || who == nil) || code != nil && (who != nil || !errors.Is(err, code) || !strings.Contains(err.Error(), user)) {
			t.Errorf("%s with %q: %+v, %v, want %v", user, pass, who, err, code)
		}
	}
	certificate := func(code *kerr.Error) {
		t.Helper()
		_, err := a.Certificate(t.Context(), &listener.Conn{}, &x509.Certificate{Subject: pkix.Name{CommonName: "payments"}})
		if !errors.Is(err, code) {
			t.Errorf("a certificate: %v, want %v", err, code)
		}
	}
	want("orders", password, nil)
	want("orders", "new", kerr.CoordinatorLoadInProgress)
	want("payments", "x", kerr.CoordinatorLoadInProgress)
	want("admin", "x", kerr.SaslAuthenticationFailed)
	certificate(kerr.CoordinatorLoadInProgress)
	arrives = true
	want("payments", "x", kerr.CoordinatorLoadInProgress)
	want("payments", "x", kerr.SaslAuthenticationFailed)
	want("orders", "new", kerr.SaslAuthenticationFailed)
	certificate(kerr.SaslAuthenticationFailed)
}

// What was heard of a login is good for no other: each has a nonce of the node's own. A proof without the password is refused, too.
func TestAReplayedLoginIsRefused(t *testing.T) {
	a := authenticator(t)
	session, first, err := franzscram.Auth{User: "orders", Pass: password}.AsSha512Mechanism().Authenticate(t.Context(), "node")
	if err != nil {
		t.Fatal(err)
	}
	begin := func() (e listener.Exchange, challenge []byte) {
		t.Helper()
		e, err := a.Begin(authentication.Mechanism, &listener.Conn{})
		if err == nil {
			challenge, _, err = e.Step(t.Context(), first)
		}
		if err != nil {
			t.Fatal(err)
		}
		return e, challenge
	}
	e, challenge := begin()
	_, proof, err := session.Challenge(challenge)
	if err != nil {
		t.Fatal(err)
	}
	if _, who, err := e.Step(t.Context(), proof); err != nil || who == nil {
		t.Fatalf("the login itself: %+v, %v", who, err)
	}
	again, _ := begin()
	if _, who, err := again.Step(t.Context(), proof); who != nil || !errors.Is(err, kerr.SaslAuthenticationFailed) {
		t.Errorf("a replay: %+v, %v", who, err)
	}
	// The old proof under the new nonce.
	nonceOf := func(challenge []byte) []byte { n, _, _ := bytes.Cut(challenge, []byte(",")); return n }
	forged, other := begin()
	if _, who, err := forged.Step(t.Context(), bytes.Replace(proof, nonceOf(challenge), nonceOf(other), 1)); who != nil || !errors.Is(err, kerr.SaslAuthenticationFailed) {
		t.Errorf("a forgery: %+v, %v", who, err)
	}
}
