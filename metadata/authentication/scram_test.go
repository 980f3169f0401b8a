package authentication_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	franzscram "github.com/twmb/franz-go/pkg/sasl/scram"
	"go.uber.org/goleak"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/listener"
	"github.com/inkwell-project/inkwell/metadata/authentication"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
	"github.com/inkwell-project/inkwell/rpc/server"
	"github.com/inkwell-project/inkwell/topics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "correct horse, battery=staple"

// nonces counts: a test's exchange is the same at every run.
func nonces() func() string {
	var n atomic.Int64
	return func() string { return fmt.Sprintf("nonce%d", n.Add(1)) }
}

func authenticator(t *testing.T) *authentication.Authenticator {
	t.Helper()
	credential, err := authentication.NewCredential("orders", password, bytes.Repeat([]byte{7}, authentication.SaltBytes))
	if err != nil {
		t.Fatal(err)
	}
	a, err := authentication.New(authentication.Config{
		Lookup: func(cluster string) (topics.ScramCredential, bool) { return credential, cluster == "orders" }, Nonce: nonces(), Secret: []byte("a secret"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// exchange runs franz-go's client against an Exchange and returns the node's answers.
func exchange(t *testing.T, a *authentication.Authenticator, auth franzscram.Auth) (answers []string, who *listener.Authenticated, err error) {
	t.Helper()
	server, err := a.Begin(authentication.Mechanism, &listener.Conn{})
	if err != nil {
		t.Fatal(err)
	}
	session, message, err := auth.AsSha512Mechanism().Authenticate(t.Context(), "node")
	if err != nil {
		t.Fatal(err)
	}
	for {
		var answer []byte
		if answer, who, err = server.Step(t.Context(), message); err != nil {
			return answers, nil, err
		}
		answers = append(answers, string(answer))
		done, next, challengeErr := session.Challenge(answer)
		if challengeErr != nil {
			t.Fatalf("the client takes %q for: %v", answer, challengeErr)
		}
		if message = next; done {
			return answers, who, nil
		}
	}
}

func TestAClusterWithItsPasswordIsItsPrincipal(t *testing.T) {
	_, who, err := exchange(t, authenticator(t), franzscram.Auth{User: "orders", Pass: password})
	if err != nil || who == nil || who.Principal != "User:orders" || who.Lifetime != 0 {
		t.Fatalf("got %+v, %v", who, err)
	}
}

var nonce = regexp.MustCompile(`^r=[^,]*`)

// An unknown cluster and a wrong password must look alike, down to the shape of every answer.
func TestAnUnknownClusterLooksLikeAWrongPassword(t *testing.T) {
	a := authenticator(t)
	shape := func(user string) (challenge, told string) {
		answers, who, err := exchange(t, a, franzscram.Auth{User: user, Pass: "guess"})
		if who != nil || !errors.Is(err, kerr.SaslAuthenticationFailed) || len(answers) != 1 {
			t.Fatalf("%s: got %q, %+v, %v", user, answers, who, err)
		}
		return nonce.ReplaceAllString(answers[0], "r="), strings.ReplaceAll(err.Error(), user, "X")
	}
	knownChallenge, knownTold := shape("orders")
	challenge, told := shape("stroem")
	if told != knownTold {
		t.Errorf("told %q and %q", told, knownTold)
	}
	if len(challenge) != len(knownChallenge) || challenge[strings.LastIndex(challenge, ","):] != knownChallenge[strings.LastIndex(knownChallenge, ","):] {
		t.Errorf("challenged with %q and %q", challenge, knownChallenge)
	}
	if again, _ := shape("stroem"); again != challenge {
		t.Error("an unknown cluster's salt changes, a known one's does not")
	}
	if other, _ := shape("stroen"); other == challenge {
		t.Error("two unknown clusters have one salt")
	}
}

func TestHostileMessages(t *testing.T) {
	huge := "n,,n=" + strings.Repeat("x", 1<<20) + ",r=abc"
	for name, messages := range map[string][]string{
		"empty":           {""},
		"binary":          {"\x00\xff\x00"},
		"huge":            {huge},
		"no name":         {"n,,n=,r=abc"},
		"binding":         {"p=tls-unique,,n=orders,r=abc"},
		"acts as another": {"n,a=payments,n=orders,r=abc"},
		"final first":     {"c=biws,r=abc,p=AAAA"},
		"other nonce":     {"n,,n=orders,r=abc", "c=biws,r=other,p=AAAA"},
		"short proof":     {"n,,n=orders,r=abc", "c=biws,r=abcnonce1,p=AAAA"},
		"garbage final":   {"n,,n=orders,r=abc", "garbage"},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := authenticator(t).Begin(authentication.Mechanism, &listener.Conn{})
			if err != nil {
				t.Fatal(err)
			}
			for i, m := range messages {
				_, who, err := e.Step(t.Context(), []byte(m))
				if who != nil {
					t.Fatal("it was let in")
				}
				if last := i == len(messages)-1; last && !errors.Is(err, kerr.SaslAuthenticationFailed) {
					t.Fatalf("got %v", err)
				}
				if err != nil && len(err.Error()) > 400 {
					t.Errorf("an error of %d bytes", len(err.Error()))
				}
			}
			if _, who, err := e.Step(t.Context(), []byte("n,,n=orders,r=abc")); who != nil || (err == nil && len(messages) > 1) {
				t.Errorf("an exchange that failed goes on: %+v, %v", who, err)
			}
		})
	}
}

func FuzzStep(f *testing.F) {
	f.Add("n,,n=orders,r=abc", "c=biws,r=abcnonce1,p=AAAA")
	credential, err := authentication.NewCredential("orders", password, make([]byte, authentication.SaltBytes))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		a, err := authentication.New(authentication.Config{Lookup: func(string) (topics.ScramCredential, bool) { return credential, true }, Nonce: nonces()})
		if err != nil {
			t.Fatal(err)
		}
		e, err := a.Begin(authentication.Mechanism, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []string{first, second} {
			if _, who, _ := e.Step(t.Context(), []byte(m)); who != nil {
				t.Fatalf("%q and %q know the password", first, second)
			}
		}
	})
}

func TestConfigurationMistakes(t *testing.T) {
	_, err := authentication.New(authentication.Config{})
	for _, want := range []string{"Lookup", "Nonce"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	if _, err := authentication.NewCredential("c", "", nil); err == nil || !strings.Contains(err.Error(), "empty") || !strings.Contains(err.Error(), "salt") {
		t.Errorf("got %v", err)
	}
	if _, err := authenticator(t).Begin("PLAIN", nil); !errors.Is(err, kerr.UnsupportedSaslMechanism) {
		t.Errorf("got %v", err)
	}
}

// described is a cluster whose brokers only ask what it is.
type described struct {
	rpc.MetadataCluster
	name string
}

func (d described) DescribeCluster(context.Context, *rpc.DescribeClusterRequest) (*rpc.DescribeClusterResponse, error) {
	return &rpc.DescribeClusterResponse{Cluster: kafka.ClusterID(d.name), UUID: d.name}, nil
}

type byPrincipal struct{}

func (byPrincipal) Tenant(principal string) (rpc.MetadataCluster, error) {
	if name, ok := strings.CutPrefix(principal, authentication.PrincipalPrefix); ok && principal != listener.AnonymousPrincipal {
		return described{name: name}, nil
	}
	return nil, kerr.ClusterAuthorizationFailed
}

// fastDelays makes the delay after a failed authentication short; it has tests of its own.
type fastDelays struct{ clock.Clock }

func (f fastDelays) NewTimer(d time.Duration) *clock.Timer { return f.Clock.NewTimer(d / 100) }

func startNode(t *testing.T) (address string) {
	t.Helper()
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := listener.New(listener.Config{
		Name: "BROKERS", Listener: nl, OutOfOrder: true, RequireAuth: true, Authenticator: authenticator(t), Logger: slog.New(slog.DiscardHandler), Clock: fastDelays{clock.System},
		APIs: append(server.APIs(byPrincipal{}), listener.API{Key: kmsg.Metadata.Int16(), MaxVersion: 12, Serve: func(_ context.Context, r *listener.Request) {
			resp := r.Message.ResponseKind().(*kmsg.MetadataResponse)
			resp.ClusterID = &r.Conn.Principal
			r.Reply(resp)
		}}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return nl.Addr().String()
}

func TestBrokersAuthenticateOverASocket(t *testing.T) {
	address := startNode(t)
	ask := func(cluster, password string) (string, error) {
		timeout := 30 * time.Second
		if password == "" {
			timeout = 300 * time.Millisecond // a closed connection says nothing: the client tries again until then
		}
		c := client.New(client.Config{
			Timeout: timeout, Addresses: []string{address}, Cluster: kafka.ClusterID(cluster), Password: password, Dial: (&net.Dialer{}).DialContext, Nonce: nonces(), Logger: slog.New(slog.DiscardHandler),
		})
		defer func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}()
		resp, err := c.DescribeCluster(t.Context(), &rpc.DescribeClusterRequest{})
		return resp.UUID, err
	}
	if got, err := ask("orders", password); err != nil || got != "orders" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, cluster := range []string{"orders", "unknown"} {
		_, err := ask(cluster, "wrong")
		if !errors.Is(err, kerr.SaslAuthenticationFailed) {
			t.Errorf("%s: got %v", cluster, err)
			continue
		}
		for _, want := range []string{"refuses cluster " + cluster, "check cluster and password"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q is not in %q", cluster, want, err)
			}
		}
	}
	if _, err := ask("orders", ""); err == nil { // no authentication at all: the node closes the connection
		t.Error("a call without authentication was answered")
	}
}

func TestFranzGoAuthenticatesOverASocket(t *testing.T) {
	address := startNode(t)
	ask := func(password string) (*kmsg.MetadataResponse, error) {
		c, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.SASL(franzscram.Auth{User: "orders", Pass: password}.AsSha512Mechanism()), kgo.RequestRetries(0))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), c)
	}
	resp, err := ask(password)
	if err != nil || *resp.ClusterID != "User:orders" {
		t.Fatalf("got %+v, %v", resp, err)
	}
	if _, err := ask("wrong"); !errors.Is(err, kerr.SaslAuthenticationFailed) {
		t.Fatalf("got %v", err)
	}
}
