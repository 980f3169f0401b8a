package tlsfiles_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/internal/tlsfiles"
	"github.com/inkwell-project/inkwell/internal/tlsfiles/tlsfilestest"
)

func files(cert, key, ca string) tlsfiles.Files {
	return tlsfiles.Files{Cert: tlsfiles.File{Setting: "--c", Path: cert}, Key: tlsfiles.File{Setting: "--k", Path: key}, CA: tlsfiles.File{Setting: "--a", Path: ca}}
}

func open(f tlsfiles.Files) (*tlsfiles.Source, error) {
	return tlsfiles.Open(f, clock.System, slog.New(slog.DiscardHandler))
}

func TestMistakes(t *testing.T) {
	ca := tlsfilestest.New(t, "a")
	one, two := ca.Server(t, "one"), ca.Server(t, "two")
	old := ca.Issue(t, "old", &x509.Certificate{NotAfter: time.Now().Add(-time.Minute)})
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	locked := filepath.Join(t.TempDir(), "locked")
	if err := os.WriteFile(locked, []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		files tlsfiles.Files
		words []string
	}{
		"a certificate without a key":  {files(one.Cert, "", ""), []string{"--c is set", "--k is not"}},
		"a key without a certificate":  {files("", one.Key, ""), []string{"--k is set", "--c is not"}},
		"all missing, all at once":     {files("/no/c", "/no/k", "/no/a"), []string{"--c /no/c", "--k /no/k", "--a /no/a", "no such file"}},
		"another's key":                {files(one.Cert, two.Key, ""), []string{one.Cert, two.Key, "belong together"}},
		"an expired certificate":       {files(old.Cert, old.Key, ""), []string{"--c " + old.Cert, "expired", "renew"}},
		"no PEM":                       {files(text, text, text), []string{"--c " + text, "--k " + text, "--a " + text, "BEGIN PRIVATE KEY"}},
		"swapped":                      {files(one.Key, one.Cert, ""), []string{"no CERTIFICATE", "no PRIVATE KEY"}},
		"a key with a password":        {files(one.Cert, locked, ""), []string{"--k " + locked, "password"}},
		"an authority that is a key":   {files("", "", one.Key), []string{"--a " + one.Key, "no CERTIFICATE"}},
		"a folder instead of the file": {files(one.Cert, one.Key, filepath.Dir(ca.CA)), []string{"--a " + filepath.Dir(ca.CA), "is a directory"}},
	} {
		_, err := open(tc.files)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, w := range tc.words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: it does not say %q: %v", name, w, err)
			}
		}
	}
	if _, err := open(files(one.Cert, one.Key, ca.CA)); err != nil {
		t.Error(err)
	}
}

// meet is one connection between the two sides; it returns what each saw of the other's certificate.
func meet(t *testing.T, server *tls.Config, client *tlsfiles.Source) (of *x509.Certificate, err error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ended := make(chan error, 1)
	go func() {
		raw, err := l.Accept()
		if err == nil {
			conn := tls.Server(raw, server)
			if err = conn.HandshakeContext(context.Background()); err == nil {
				_, err = conn.Write([]byte("x"))
			}
			_ = conn.Close()
		}
		ended <- err
	}()
	dial := tlsfiles.Dial(new(net.Dialer).DialContext, client.Client)
	conn, err := dial(t.Context(), "tcp", l.Addr().String())
	if err == nil {
		defer conn.Close()
		of = conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
		_, err = io.ReadFull(conn, make([]byte, 1)) // with TLS 1.3 the server looks at the client's certificate last
	}
	if serverErr := <-ended; err == nil {
		err = serverErr
	}
	return of, err
}

func TestRenewal(t *testing.T) {
	ca, clients := tlsfilestest.New(t, "servers"), tlsfilestest.New(t, "clients")
	pair, mine := ca.Server(t, "server"), clients.Client(t, "client", "inkwell:red")
	source, err := open(files(pair.Cert, pair.Key, clients.CA))
	if err != nil {
		t.Fatal(err)
	}
	server := source.Server(tls.RequireAndVerifyClientCert)
	client, err := open(files(mine.Cert, mine.Key, ca.CA))
	if err != nil {
		t.Fatal(err)
	}
	serial := func() int64 {
		t.Helper()
		cert, err := meet(t, server, client)
		if err != nil {
			t.Fatal(err)
		}
		return cert.SerialNumber.Int64()
	}
	first := serial()
	ca.Server(t, "server")
	second := serial()
	if second == first {
		t.Error("the certificate was renewed and the old one is shown")
	}

	// Half a renewal: the key does not fit yet. The old pair stays in force, until the other half comes. All have the same time, as mounted secrets may.
	other := ca.Server(t, "other")
	for _, path := range []string{pair.Cert, pair.Key, other.Cert, other.Key} {
		if err := os.Chtimes(path, time.Time{}, time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	move(t, other.Cert, pair.Cert)
	if got := serial(); got != second {
		t.Errorf("serial number %d, want %d", got, second)
	}
	move(t, other.Key, pair.Key)
	if got := serial(); got == second {
		t.Error("the renewal is complete and the old certificate is shown")
	}

	// Another authority of clients: the certificate of the former one is refused, a renewed one is not.
	successor := tlsfilestest.New(t, "successor")
	move(t, successor.CA, clients.CA)
	if _, err := meet(t, server, client); err == nil {
		t.Error("a certificate of the former authority is believed")
	}
	renewed := successor.Client(t, "client", "inkwell:red")
	move(t, renewed.Cert, mine.Cert)
	move(t, renewed.Key, mine.Key)
	serial()

	// The server comes from elsewhere: the client notices.
	wrong, err := open(files(mine.Cert, mine.Key, clients.CA))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := meet(t, server, wrong); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("error %v, want one of an unknown authority", err)
	}
}

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}
