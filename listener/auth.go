package listener

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/internal/limitedlog"
)

// Authenticator knows SASL mechanisms. Its methods run on connections' goroutines, at the same time for many.
type Authenticator interface {
	// Mechanisms are told to a client that asks for another one.
	Mechanisms() []string
	// Begin starts an exchange by one of the Mechanisms.
	Begin(mechanism string, conn *Conn) (Exchange, error)
}

// Exchange is one client's authentication.
type Exchange interface {
	// Step takes a message of the client (which is valid during the call) and returns the answer to it. It returns who the client is with the last
	// answer, nil before. An error ends the connection; the client is told its text when it is a *kerr.Error, and no more than that it failed otherwise.
	Step(ctx context.Context, message []byte) (answer []byte, who *Authenticated, err error)
}

// Authenticated is the outcome of an Exchange.
type Authenticated struct {
	Principal string // "User:alice"
	// Lifetime bounds the session: a client that has not authenticated again by then is disconnected at its next request. 0 is for ever.
	Lifetime time.Duration
}

// Kafka's connection.failed.authentication.delay.ms: guessing passwords is slow.
const failedAuthenticationDelay = 100 * time.Millisecond

// authState belongs to the reader.
type authState struct {
	done     bool
	exchange Exchange
	expires  time.Time // of the session, zero for never
}

// checkAuthenticated refuses everything but ApiVersions and SASL on a connection that must say who it is and did not, or not lately.
func (c *connection) checkAuthenticated(cl *call) error {
	switch cl.req.Key {
	case apiVersionsKey, saslHandshakeKey, saslAuthenticateKey:
		return nil
	}
	switch {
	case c.s.cfg.RequireAuth && !c.auth.done:
		return fmt.Errorf("%w: %s before SASL authentication", ErrRefused, cl.api.name)
	case c.auth.done && !c.auth.expires.IsZero() && c.s.cfg.Clock.Now().After(c.auth.expires):
		return fmt.Errorf("%w: %s after the session's end; the client did not authenticate again", ErrRefused, cl.api.name)
	}
	return nil
}

func (c *connection) serveSASL(cl *call) error {
	switch m := cl.req.Message.(type) {
	case *kmsg.SASLHandshakeRequest:
		return c.saslHandshake(cl, m)
	case *kmsg.SASLAuthenticateRequest:
		return c.saslAuthenticate(cl, m)
	}
	return nil
}

func (c *connection) saslHandshake(cl *call, m *kmsg.SASLHandshakeRequest) error {
	resp := kmsg.NewPtrSASLHandshakeResponse()
	a := c.s.cfg.Authenticator
	if a == nil {
		resp.ErrorCode = kerr.IllegalSaslState.Code
		cl.req.Reply(resp)
		return nil
	}
	resp.SupportedMechanisms = a.Mechanisms()
	if c.auth.exchange != nil {
		resp.ErrorCode = kerr.IllegalSaslState.Code
		cl.req.ReplyWith(Response{Message: resp, Close: true})
		return nil
	}
	if !slices.Contains(resp.SupportedMechanisms, m.Mechanism) {
		resp.ErrorCode = kerr.UnsupportedSaslMechanism.Code
		cl.req.ReplyWith(Response{Message: resp, Close: true})
		return nil
	}
	exchange, err := a.Begin(m.Mechanism, &c.Conn)
	if err != nil {
		return fmt.Errorf("%w: SASL mechanism %q cannot begin: %w", ErrRefused, m.Mechanism, err)
	}
	c.auth.exchange = exchange
	cl.req.Reply(resp)
	return nil
}

func (c *connection) saslAuthenticate(cl *call, m *kmsg.SASLAuthenticateRequest) error {
	resp := kmsg.NewPtrSASLAuthenticateResponse()
	if c.auth.exchange == nil {
		resp.ErrorCode = kerr.IllegalSaslState.Code
		resp.ErrorMessage = kmsg.StringPtr("SaslAuthenticate without a SaslHandshake before it")
		cl.req.ReplyWith(Response{Message: resp, Close: c.s.cfg.Authenticator != nil})
		return nil
	}
	answer, who, err := c.auth.exchange.Step(c.ctx, m.SASLAuthBytes)
	if err == nil && who != nil && c.auth.done && who.Principal != c.Principal {
		err = fmt.Errorf("the connection of %s cannot become that of %s", c.Principal, who.Principal)
	}
	if err != nil {
		return c.authenticationFailed(cl, resp, err)
	}
	resp.SASLAuthBytes = answer
	if who != nil {
		c.authenticated(who)
		resp.SessionLifetimeMillis = who.Lifetime.Milliseconds()
	}
	cl.req.Reply(resp)
	return nil
}

func (c *connection) authenticated(who *Authenticated) {
	c.auth = authState{done: true}
	if c.Principal != who.Principal { // others read it when it is set for the second time
		c.Principal = who.Principal
	}
	if who.Lifetime > 0 {
		c.auth.expires = c.s.cfg.Clock.Now().Add(who.Lifetime)
	}
}

func (c *connection) authenticationFailed(cl *call, resp *kmsg.SASLAuthenticateResponse, err error) error {
	c.s.log.Warn("authentication failed", "peer", c.peer(), "client_id", limitedlog.Capped(c.clientID), "error", limitedlog.Capped(err.Error()))
	c.s.metrics.closed("authentication")
	c.s.sleep(failedAuthenticationDelay)
	resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
	resp.ErrorMessage = kmsg.StringPtr("Authentication failed")
	var told *kerr.Error
	if errors.As(err, &told) {
		if told.Retriable { // it is no verdict on the password
			resp.ErrorCode = told.Code
		}
		resp.ErrorMessage = kmsg.StringPtr(limitedlog.Capped(err.Error()))
	}
	cl.req.ReplyWith(Response{Message: resp, Close: true})
	return nil
}
