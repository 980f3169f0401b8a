package authentication

import (
	"context"
	"crypto/hmac"
	"crypto/sha512"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/xdg-go/scram"

	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/topics"
)

// Mechanism is the one SASL mechanism of a metadata node's listener for brokers.
const Mechanism = "SCRAM-SHA-512"

// PrincipalPrefix and the cluster's name are the principal of an authenticated connection.
const PrincipalPrefix = "User:"

// maxMessageBytes bounds a client's message: names and nonces are short, and all of it is hashed before anybody is authenticated.
const maxMessageBytes = 4096

// Config of an Authenticator.
type Config struct {
	// Lookup finds the credential of a cluster's brokers; it is called once in each exchange and must not wait for anything.
	Lookup func(cluster string) (topics.ScramCredential, bool)
	// Known says whether a certificate may name a cluster; nil asks Lookup. byURI: it does so by a URI, which only who means Inkwell writes, not by a common name.
	Known func(cluster string, byURI bool) bool
	// MaxConnections is how many connections a cluster may have at a time, 0 for any number; nil: any number.
	MaxConnections func(cluster string) int64
	// Loaded says whether Lookup answers for this cluster as of now; nil: always. Until it does, whoever is not known, or has another password, is asked to come back.
	Loaded func(cluster string) bool
	// Nonce returns printable text without commas that nobody can guess and that never comes twice; at least 18 bytes of randomness.
	Nonce func() string
	// Secret makes up the salt that an unknown cluster is asked with. Nodes that share it tell the same salt. Nil takes one from Nonce, for the life of
	// the process.
	Secret []byte
}

// Validate names what is missing.
func (c *Config) Validate() error {
	var errs []error
	if c.Lookup == nil {
		errs = append(errs, errors.New("authentication: Lookup is not set"))
	}
	if c.Nonce == nil {
		errs = append(errs, errors.New("authentication: Nonce is not set"))
	}
	return errors.Join(errs...)
}

// Authenticator implements listener.Authenticator.
type Authenticator struct {
	lookup         func(cluster string) (topics.ScramCredential, bool)
	known          func(cluster string, byURI bool) bool
	loaded         func(cluster string) bool
	maxConnections func(cluster string) int64
	connections    connections
	secret         []byte
	nonce          func() string
}

var _ listener.Authenticator = (*Authenticator)(nil)

// New makes an Authenticator.
func New(cfg Config) (*Authenticator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	a := &Authenticator{
		lookup: cfg.Lookup, known: cfg.Known, nonce: cfg.Nonce, loaded: cfg.Loaded, maxConnections: cfg.MaxConnections, secret: cfg.Secret, connections: connections{open: map[string]map[uint64]struct{}{}},
	}
	if a.known == nil {
		a.known = func(cluster string, _ bool) bool { _, ok := a.lookup(cluster); return ok }
	}
	if a.loaded == nil {
		a.loaded = func(string) bool { return true }
	}
	if a.secret == nil {
		a.secret = []byte(cfg.Nonce())
	}
	return a, nil
}

// Mechanisms implements listener.Authenticator.
func (a *Authenticator) Mechanisms() []string { return []string{Mechanism} }

// Begin implements listener.Authenticator.
func (a *Authenticator) Begin(mechanism string, conn *listener.Conn) (listener.Exchange, error) {
	if mechanism != Mechanism {
		return nil, fmt.Errorf("mechanism %q is not %s: %w", mechanism, Mechanism, kerr.UnsupportedSaslMechanism)
	}
	e := &exchange{a: a, conn: conn}
	server, err := scram.SHA512.NewServer(e.credential)
	if err != nil {
		return nil, fmt.Errorf("authentication: %w", err)
	}
	e.conversation = server.WithNonceGenerator(a.nonce).NewConversation()
	return e, nil
}

// credential is what an exchange of a user is checked against. A user that does not exist gets one that no password fits, made at the same cost whether it is
// needed or not: the answers, and the time that they take, do not tell the two apart.
func (e *exchange) credential(user string) (scram.StoredCredentials, error) {
	e.early = !e.a.loaded(user) // asked first: what is looked up then may be newer, never older
	found, known := e.a.lookup(user)
	used := e.a.madeUp(user)
	if known {
		used = found
	}
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(used.Salt), Iters: int(used.Iterations)},
		StoredKey:  used.StoredKey, ServerKey: used.ServerKey,
	}, nil
}

// madeUp is the same at every attempt, as a real credential is.
func (a *Authenticator) madeUp(user string) topics.ScramCredential {
	return topics.ScramCredential{
		Salt: a.derive("salt", user)[:SaltBytes], Iterations: DefaultIterations,
		StoredKey: a.derive("stored key", user), ServerKey: a.derive("server key", user),
	}
}

func (a *Authenticator) derive(use, user string) []byte {
	mac := hmac.New(sha512.New, a.secret)
	mac.Write([]byte(use + "\x00" + user))
	return mac.Sum(nil)
}

// exchange implements listener.Exchange.
type exchange struct {
	conversation *scram.ServerConversation
	a            *Authenticator
	conn         *listener.Conn
	early        bool // the credential that it is checked against may be an old one, or made up because the cluster is not loaded
}

// Step implements listener.Exchange.
func (e *exchange) Step(ctx context.Context, message []byte) ([]byte, *listener.Authenticated, error) {
	if len(message) > maxMessageBytes {
		return nil, nil, fmt.Errorf("a SCRAM message of %d bytes, at most %d are taken: %w", len(message), maxMessageBytes, kerr.SaslAuthenticationFailed)
	}
	answer, err := e.conversation.Step(string(message))
	user := e.conversation.Username()
	switch {
	case user == "":
		return nil, nil, fmt.Errorf("malformed %s message: %w", Mechanism, kerr.SaslAuthenticationFailed)
	case err != nil:
		return nil, nil, e.refused(user)
	case e.conversation.AuthzID() != "" && e.conversation.AuthzID() != user:
		return nil, nil, fmt.Errorf("cluster %q asks to act as %q: %w", user, e.conversation.AuthzID(), kerr.SaslAuthenticationFailed)
	case !e.conversation.Done():
		return []byte(answer), nil, nil
	case !e.conversation.Valid():
		return nil, nil, e.refused(user)
	}
	if err := e.a.admit(ctx, e.conn, user); err != nil {
		return nil, nil, err
	}
	return []byte(answer), &listener.Authenticated{Principal: PrincipalPrefix + user}, nil
}

// refused is what a client is told, and what the node logs, of a wrong password as of an unknown cluster.
func (e *exchange) refused(user string) error {
	if e.early {
		return tooEarly(user)
	}
	return fmt.Errorf("no cluster %q with this password (%s): check cluster and password of the broker: %w", user, Mechanism, kerr.SaslAuthenticationFailed)
}

// tooEarly is no verdict: the same attempt may succeed a moment later, here or at another node.
func tooEarly(user string) error {
	return fmt.Errorf("this node has just started and does not know all clusters yet, %q among them or its newest password; try again: %w", user, kerr.CoordinatorLoadInProgress)
}
