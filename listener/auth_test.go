package listener

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// plain is SASL/PLAIN with a two-step exchange: the first message names the user, the second the password.
type plain struct{ lifetime time.Duration }

func (plain) Mechanisms() []string { return []string{"PLAIN"} }

func (p plain) Begin(string, *Conn) (Exchange, error) {
	return &plainExchange{lifetime: p.lifetime}, nil
}

type plainExchange struct {
	user     string
	lifetime time.Duration
}

func (e *plainExchange) Step(_ context.Context, message []byte) ([]byte, *Authenticated, error) {
	switch {
	case e.user == "":
		e.user = string(message)
		return []byte("password?"), nil, nil
	case string(message) == "secret of "+e.user:
		return []byte("welcome"), &Authenticated{Principal: "User:" + e.user, Lifetime: e.lifetime}, nil
	}
	return nil, nil, errors.New("the stored key is 1234, which is not for clients")
}

func (c *client) handshake(mechanism string) *kmsg.SASLHandshakeResponse {
	m := kmsg.NewPtrSASLHandshakeRequest()
	m.Version, m.Mechanism = 1, mechanism
	c.send(1, m)
	resp := kmsg.NewPtrSASLHandshakeResponse()
	resp.Version = 1
	c.receive(resp)
	return resp
}

func (c *client) authenticate(message string) *kmsg.SASLAuthenticateResponse {
	m := kmsg.NewPtrSASLAuthenticateRequest()
	m.Version, m.SASLAuthBytes = 2, []byte(message)
	c.send(2, m)
	resp := kmsg.NewPtrSASLAuthenticateResponse()
	resp.Version = 2
	c.receive(resp)
	return resp
}

func tellPrincipal(principals chan<- string) API {
	return heartbeatAPI(func(_ context.Context, r *Request) {
		principals <- r.Conn.Principal
		reply(r)
	})
}

func TestSASL(t *testing.T) {
	principals := make(chan string, 10)
	h := serve(t, Config{Authenticator: plain{}, RequireAuth: true}, tellPrincipal(principals))

	c := h.dial()
	c.send(1, apiVersions(3, "x"))
	av := kmsg.NewPtrApiVersionsResponse()
	av.Version = 3
	c.receive(av)
	if r := c.handshake("PLAIN"); r.ErrorCode != 0 {
		t.Fatalf("handshake: %d", r.ErrorCode)
	}
	if r := c.authenticate("alice"); r.ErrorCode != 0 || string(r.SASLAuthBytes) != "password?" {
		t.Fatalf("first step: %+v", r)
	}
	if r := c.authenticate("secret of alice"); r.ErrorCode != 0 || string(r.SASLAuthBytes) != "welcome" {
		t.Fatalf("second step: %+v", r)
	}
	c.send(3, heartbeat("m"))
	c.receive(newHeartbeatResponse())
	if p := <-principals; p != "User:alice" {
		t.Fatalf("principal %q", p)
	}
	c.handshake("PLAIN") // again, as another
	c.authenticate("bob")
	if r := c.authenticate("secret of bob"); r.ErrorCode != kerr.SaslAuthenticationFailed.Code {
		t.Fatalf("a connection changed its principal: %+v", r)
	}
	c.wantClosed()
}

func TestSASLRefusals(t *testing.T) {
	h := serve(t, Config{Authenticator: plain{}, RequireAuth: true}, tellPrincipal(make(chan string, 1)))

	c := h.dial()
	c.send(1, heartbeat("m"))
	c.wantClosed()

	c = h.dial()
	if r := c.handshake("GSSAPI"); r.ErrorCode != kerr.UnsupportedSaslMechanism.Code || len(r.SupportedMechanisms) != 1 {
		t.Fatalf("%+v", r)
	}
	c.wantClosed()

	c = h.dial()
	if r := c.authenticate("alice"); r.ErrorCode != kerr.IllegalSaslState.Code {
		t.Fatalf("%+v", r)
	}
	c.wantClosed()

	c = h.dial()
	c.handshake("PLAIN")
	c.authenticate("alice")
	if r := c.authenticate("wrong"); r.ErrorCode != kerr.SaslAuthenticationFailed.Code || *r.ErrorMessage != "Authentication failed" {
		t.Fatalf("%+v %q: the reason is not for the client", r, *r.ErrorMessage)
	}
	c.wantClosed()

	c = h.dial()
	c.write([]byte{0, 16, 0, 0}) // 1 MiB from nobody
	c.wantClosed()
}

func TestSASLWithoutAuthenticator(t *testing.T) {
	h := serve(t, Config{}, tellPrincipal(make(chan string, 1)))
	c := h.dial()
	if r := c.handshake("PLAIN"); r.ErrorCode != kerr.IllegalSaslState.Code {
		t.Fatalf("%+v", r)
	}
	c.send(3, heartbeat("m"))
	c.receive(newHeartbeatResponse())
}

func TestSessionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		principals := make(chan string, 10)
		s, l := servePipe(t, Config{Authenticator: plain{time.Minute}, RequireAuth: true}, tellPrincipal(principals))
		c := l.dial(t)
		login := func() {
			c.handshake("PLAIN")
			c.authenticate("alice")
			if r := c.authenticate("secret of alice"); r.SessionLifetimeMillis != 60_000 {
				t.Errorf("%+v", r)
			}
		}
		login()
		time.Sleep(50 * time.Second)
		login()
		time.Sleep(50 * time.Second)
		c.send(3, heartbeat("m"))
		c.receive(newHeartbeatResponse())
		time.Sleep(11 * time.Second)
		c.send(4, heartbeat("m"))
		c.wantClosed()
		_ = s.Close()
	})
}

// early is an authenticator of a server that does not know its users yet.
type early struct{ plain }

func (early) Begin(string, *Conn) (Exchange, error) { return early{}, nil }

func (early) Step(context.Context, []byte) ([]byte, *Authenticated, error) {
	return nil, nil, fmt.Errorf("come back: %w", kerr.CoordinatorLoadInProgress)
}

// What may succeed a moment later has another code than a wrong password.
func TestSASLTooEarly(t *testing.T) {
	h := serve(t, Config{Authenticator: early{}, RequireAuth: true})
	c := h.dial()
	if r := c.handshake("PLAIN"); r.ErrorCode != 0 {
		t.Fatalf("handshake: %d", r.ErrorCode)
	}
	r := c.authenticate("alice")
	if r.ErrorCode != kerr.CoordinatorLoadInProgress.Code || r.ErrorMessage == nil || !strings.Contains(*r.ErrorMessage, "come back") {
		t.Errorf("%+v", r)
	}
}
