package processes

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/inkwell-project/inkwell/internal/tlsfiles/tlsfilestest"
	"github.com/inkwell-project/inkwell/test/servers"
)

// secured is a Metadata cluster of one node that speaks TLS, with an authority for its own certificate and one for those of its clients.
type secured struct {
	t              *testing.T
	binary         string
	nodes, clients *tlsfilestest.Authority
	admin          tlsfilestest.Pair
	metadata       *servers.Server
}

var adminEnv = []string{"INKWELL_ADMIN_PASSWORD=the-password"}

func startSecured(t *testing.T) *secured {
	s := &secured{t: t, binary: binary(t), nodes: tlsfilestest.New(t, "nodes"), clients: tlsfilestest.New(t, "clients")}
	s.admin = s.clients.Client(t, "admin", "inkwell:admin")
	own, dir := s.nodes.Server(t, "node"), t.TempDir()
	s.metadata = keep(t)(servers.StartInkwellRole(t.Context(), s.binary, "metadata", servers.Options{Dir: dir, Env: adminEnv, Login: s.login(s.admin),
		Extra: []string{"--data", dir + "/data", "--tls.cert", own.Cert, "--tls.key", own.Key, "--tls.client.ca", s.clients.CA}}))
	return s
}

// keep ends a process with its test.
func keep(t *testing.T) func(*servers.Server, error) *servers.Server { return (&system{t: t}).keep }

// login connects to metadata nodes as the owner of a certificate.
func (s *secured) login(p tlsfilestest.Pair) kgo.Opt {
	return kgo.DialTLSConfig(&tls.Config{RootCAs: s.nodes.Pool, Certificates: []tls.Certificate{p.TLS}})
}

// by are the settings of a client of metadata nodes.
func by(ca string, p tlsfilestest.Pair) []string {
	return []string{"--metadata.tls.ca", ca, "--metadata.tls.cert", p.Cert, "--metadata.tls.key", p.Key}
}

// cluster runs `inkwell cluster`.
func (s *secured) cluster(env []string, access []string, args ...string) (string, error) {
	cmd := exec.CommandContext(s.t.Context(), s.binary, append(append([]string{"cluster", "--metadata", s.metadata.Listen, "--timeout", "10s"}, access...), args...)...)
	cmd.Env = append(cmd.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// broker are the settings of a broker that logs in with a certificate.
func (s *secured) broker(cluster string, p tlsfilestest.Pair) []string {
	return append([]string{"--metadata", s.metadata.Listen, "--cluster", cluster, "--store", "file://" + s.t.TempDir()}, by(s.nodes.CA, p)...)
}

// TestTLS: a Metadata cluster, an administrator, a broker and a client, each with certificates and none with a password.
func TestTLS(t *testing.T) {
	s := startSecured(t)
	asAdmin := by(s.nodes.CA, s.admin)
	for _, name := range []string{"red", "blue"} {
		out, err := s.cluster(nil, asAdmin, "create", name)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		wantWords(t, out, "--metadata.tls.ca", "inkwell:"+name)
	}
	red := s.clients.Client(t, "red", "inkwell:red")
	t.Run("who administers", func(t *testing.T) { s.whoAdministers(t, red) })

	brokers := tlsfilestest.New(t, "brokers")
	own := brokers.Server(t, "broker")
	trust := kgo.DialTLSConfig(&tls.Config{RootCAs: brokers.Pool})
	b := keep(t)(servers.StartInkwellRole(t.Context(), s.binary, "broker", servers.Options{Dir: t.TempDir(), Login: trust,
		Extra: append(s.broker("red", red), "--tls.cert", own.Cert, "--tls.key", own.Key)}))
	t.Run("clients of the broker", func(t *testing.T) { produceOverTLS(t, b, trust) })
	t.Run("certificates of brokers", func(t *testing.T) {
		start := func(cluster string, p tlsfilestest.Pair) string {
			return refused(t, nil, append([]string{"broker", "--listen", "127.0.0.1:0", "--http", ""}, s.broker(cluster, p)...)...)
		}
		wantWords(t, start("blue", red), "as cluster red, not blue")
		expired := s.clients.Issue(t, "expired", &x509.Certificate{Subject: pkix.Name{CommonName: "red"}, NotAfter: time.Now().Add(-time.Minute)})
		wantWords(t, start("red", expired), "--metadata.tls.cert "+expired.Cert, "expired")
		// A client that does not look at its own certificate's time is refused by the node.
		wantRefusedTLS(t, s.metadata.Listen, s.nodes, &expired, "expired certificate")
		stranger := s.nodes.Client(t, "stranger", "inkwell:red")
		wantRefusedTLS(t, s.metadata.Listen, s.nodes, &stranger, "unknown certificate authority")
	})
	t.Run("renewal", func(t *testing.T) {
		before := serial(t, b.Listen, brokers)
		brokers.Server(t, "broker")
		if after := serial(t, b.Listen, brokers); after == before {
			t.Errorf("the broker shows certificate %d after it was renewed", after)
		}
	})
	for _, server := range []*servers.Server{b, s.metadata} {
		if err := server.Stop(); err != nil {
			t.Errorf("%s: %v", server.Name, err)
		}
	}
}

func (s *secured) whoAdministers(t *testing.T, red tlsfilestest.Pair) {
	common := s.clients.Issue(t, "common", &x509.Certificate{Subject: pkix.Name{CommonName: "admin"}})
	for _, tc := range []struct {
		name, words string
		env, access []string
	}{
		{"a password over TLS", "", adminEnv, []string{"--metadata.tls.ca", s.nodes.CA}},
		{"another authority", "unknown authority", adminEnv, []string{"--metadata.tls.ca", s.clients.CA}},
		{"no TLS", "--metadata.tls.ca", adminEnv, nil},
		{"a broker's certificate", "Only administrators", nil, by(s.nodes.CA, red)},
		{"a certificate whose common name is admin", "ended", nil, by(s.nodes.CA, common)},
		{"no login", "ended", nil, []string{"--metadata.tls.ca", s.nodes.CA}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel() // most wait for the command to give up
			out, err := s.cluster(tc.env, tc.access, "list")
			if (err == nil) != (tc.words == "") || !strings.Contains(out, tc.words) {
				t.Errorf("%v, want %q:\n%s", err, tc.words, out)
			}
		})
	}
}

func produceOverTLS(t *testing.T, b *servers.Server, trust kgo.Opt) {
	c := client(t, b.Listen, trust, kgo.DefaultProduceTopic("t"), kgo.AllowAutoTopicCreation(), kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err := c.ProduceSync(t.Context(), kgo.StringRecord("sealed")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	fetches := c.PollFetches(t.Context())
	if err := fetches.Err(); err != nil || string(fetches.Records()[0].Value) != "sealed" {
		t.Fatalf("%v, %v", fetches.Records(), err)
	}
	stranger := tlsfilestest.New(t, "stranger")
	for name, opts := range map[string][]kgo.Opt{"another authority": {kgo.DialTLSConfig(&tls.Config{RootCAs: stranger.Pool})}, "no TLS": nil} {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		if err := client(t, b.Listen, opts...).Ping(ctx); err == nil {
			t.Errorf("%s: the client was served", name)
		}
		cancel()
	}
}

// wantRefusedTLS connects with a certificate, or without one, and waits for the server's alert.
func wantRefusedTLS(t *testing.T, address string, server *tlsfilestest.Authority, p *tlsfilestest.Pair, alert string) {
	t.Helper()
	cfg := &tls.Config{RootCAs: server.Pool}
	if p != nil { // shown also where the server names other authorities
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &p.TLS, nil }
	}
	conn, err := tls.Dial("tcp", address, cfg)
	if err == nil { // TLS 1.3: the server has yet to look at the certificate
		defer conn.Close()
		if err = conn.SetDeadline(time.Now().Add(patience)); err == nil {
			_, err = conn.Read(make([]byte, 1))
		}
	}
	if err == nil || !strings.Contains(err.Error(), alert) {
		t.Errorf("error %v, want the alert %q", err, alert)
	}
}

func serial(t *testing.T, address string, ca *tlsfilestest.Authority) int64 {
	t.Helper()
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", address, &tls.Config{RootCAs: ca.Pool})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// TestNodesSpeakTLS: two nodes replicate over mutual TLS; one whose certificate comes from elsewhere gets no replicas.
func TestNodesSpeakTLS(t *testing.T) {
	path, nodes, raft := binary(t), tlsfilestest.New(t, "nodes"), tlsfilestest.New(t, "raft")
	env := append([]string{"INKWELL_CLUSTER_SECRET_FILE=" + tlsSecretFile(t)}, adminEnv...)
	login := kgo.DialTLSConfig(&tls.Config{RootCAs: nodes.Pool, Certificates: []tls.Certificate{nodes.Client(t, "admin", "inkwell:admin").TLS}})
	start := func(id, join string, authority *tlsfilestest.Authority) *servers.Server {
		t.Helper()
		at, err := servers.FreeAddress()
		if err != nil {
			t.Fatal(err)
		}
		own, peer, dir := nodes.Server(t, "listen"+id), authority.Server(t, "raft"+id), t.TempDir()
		return keep(t)(servers.StartInkwellRole(t.Context(), path, "metadata", servers.Options{Dir: dir, Env: env, Login: login, Extra: []string{
			"--node.id", id, "--join", join, "--data", dir + "/data", "--tls.cert", own.Cert, "--tls.key", own.Key, "--tls.client.ca", nodes.CA, "--tls.ca", nodes.CA,
			"--raft.listen", at, "--raft.tls.cert", peer.Cert, "--raft.tls.key", peer.Key, "--raft.tls.ca", raft.CA}}))
	}
	list := func(at string) string {
		cmd := exec.CommandContext(t.Context(), path, "metadata", "nodes", "list", "--metadata", at, "--metadata.tls.ca", nodes.CA)
		cmd.Env = append(cmd.Environ(), adminEnv...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Logf("%v\n%s", err, out)
		}
		return string(out)
	}
	one := start("1", "", raft)
	start("2", one.Listen, raft)
	holds := regexp.MustCompile(`(?m)^2 .*\byes +active +[1-9]`)
	out := ""
	for deadline := time.Now().Add(patience); !holds.MatchString(out); out = list(one.Listen) {
		if time.Now().After(deadline) {
			t.Fatalf("node 2 gets no replicas:\n%s", out)
		}
		time.Sleep(100 * time.Millisecond) // what another process does has no other sign
	}
	stranger := tlsfilestest.New(t, "stranger").Server(t, "raft")
	wantRefusedTLS(t, raftAddress(t, out), raft, &stranger, "unknown certificate authority")
	wantRefusedTLS(t, raftAddress(t, out), raft, nil, "certificate required")
}

func raftAddress(t *testing.T, list string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^1 +\S+ +(\S+)`).FindStringSubmatch(list)
	if found == nil {
		t.Fatalf("node 1 is not listed:\n%s", list)
	}
	return found[1]
}

func tlsSecretFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	write(t, path, "0123456789abcdef0123456789abcdef")
	return path
}

func TestTLSMistakesAreRefusedAllAtOnce(t *testing.T) {
	ca := tlsfilestest.New(t, "ca")
	own, other := ca.Server(t, "own"), ca.Server(t, "other")
	said := refused(t, nil, "metadata", "--node.id", "0", "--tls.cert", own.Cert, "--tls.key", other.Key, "--tls.client.ca", "/no/such/file", "--raft.listen", "127.0.0.1:0", "--raft.tls.cert", own.Cert)
	wantWords(t, said, "node.id", "--tls.cert "+own.Cert, "--tls.key "+other.Key, "belong together", "--tls.client.ca /no/such/file", "--raft.tls.key is not", "--raft.tls.ca", "--raft.listen are set and --tls.ca is not")
	said = refused(t, nil, "broker", "--broker.id", "-1", "--tls.client.ca", ca.CA, "--metadata.tls.cert", own.Cert, "--metadata.tls.key", own.Key)
	wantWords(t, said, "broker.id", "--cluster", "--tls.client.ca is set and --tls.cert is not", "--metadata.tls.ca is not set")

	yaml := filepath.Join(t.TempDir(), "inkwell.yaml")
	write(t, yaml, "metadata: 127.0.0.1:1\nmetadata.tls.ca: /no/such/ca\n")
	wantWords(t, refused(t, []string{"INKWELL_METADATA_TLS_KEY=/no/such/key"}, "cluster", "list", "--config", yaml), "--metadata.tls.ca /no/such/ca", "--metadata.tls.key /no/such/key", "--metadata.tls.cert is not")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
