package client

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/xdg-go/scram"
)

const mechanism = "SCRAM-SHA-512"

// authenticate makes the connection the cluster's (SaslHandshake v1, SaslAuthenticate v2).
func (c *conn) authenticate(ctx context.Context, cfg Config) error {
	handshake := kmsg.NewPtrSASLHandshakeRequest()
	handshake.SetVersion(1)
	handshake.Mechanism = mechanism
	offered := handshake.ResponseKind().(*kmsg.SASLHandshakeResponse)
	if err := c.exchange(ctx, handshake, offered); err != nil {
		return err
	}
	if err := kerr.ErrorForCode(offered.ErrorCode); err != nil {
		return fmt.Errorf("the metadata node offers %v, not %s: %w", offered.SupportedMechanisms, mechanism, err)
	}
	client, err := scram.SHA512.NewClient(string(cfg.Cluster), cfg.Password, "")
	if err != nil {
		return err
	}
	if cfg.Nonce != nil {
		client = client.WithNonceGenerator(cfg.Nonce)
	}
	conversation := client.NewConversation()
	challenge := ""
	for !conversation.Done() {
		answer, err := conversation.Step(challenge)
		if err != nil {
			return fmt.Errorf("authenticating as cluster %s: %w", cfg.Cluster, err)
		}
		if conversation.Done() {
			break
		}
		auth := kmsg.NewPtrSASLAuthenticateRequest()
		auth.SetVersion(2)
		auth.SASLAuthBytes = []byte(answer)
		resp := auth.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		if err := c.exchange(ctx, auth, resp); err != nil {
			return err
		}
		if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
			text := ""
			if resp.ErrorMessage != nil {
				text = *resp.ErrorMessage
			}
			return fmt.Errorf("the metadata node refuses cluster %s: %s: %w", cfg.Cluster, text, err)
		}
		challenge = string(resp.SASLAuthBytes)
	}
	if !conversation.Valid() {
		return fmt.Errorf("authenticating as cluster %s: the node did not prove that it knows the credential", cfg.Cluster)
	}
	return nil
}

// exchange makes one call of Kafka's own protocol.
func (c *conn) exchange(ctx context.Context, req kmsg.Request, resp kmsg.Response) error {
	body, _, err := c.roundTrip(ctx, false, req.Key(), req.GetVersion(), req.AppendTo(nil))
	if err != nil {
		return fmt.Errorf("%s: %w", kmsg.NameForKey(req.Key()), err)
	}
	return decodeAnswer(body, resp)
}

// decodeAnswer decodes what follows the correlation id.
func decodeAnswer(body []byte, resp kmsg.Response) error {
	if resp.IsFlexible() && len(body) > 0 {
		body = body[1:] // the header's tags: none are defined
	}
	if err := resp.ReadFrom(body); err != nil {
		return fmt.Errorf("the answer to %s: %w", kmsg.NameForKey(resp.Key()), err)
	}
	return nil
}
