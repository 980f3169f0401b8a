package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/internal/settings"
	"github.com/inkwell-project/inkwell/internal/tlsfiles"
)

// defineFile is a setting that names a PEM file.
func defineFile(s *settings.Set, f *tlsfiles.File, name, help string) {
	f.Setting = "--" + name
	s.String(&f.Path, name, "", "PEM file "+help, nil)
}

// listenerTLS are the settings of a Kafka listener with TLS.
type listenerTLS struct{ files tlsfiles.Files }

func (l *listenerTLS) define(s *settings.Set, clients string) {
	defineFile(s, &l.files.Cert, "tls.cert", "with the certificate of --listen and those between it and its authority; set, the listener speaks TLS only. Files are read again when they change")
	defineFile(s, &l.files.Key, "tls.key", "with the private key of --tls.cert")
	defineFile(s, &l.files.CA, "tls.client.ca", clients)
}

// open returns nil without TLS.
func (l *listenerTLS) open(auth tls.ClientAuthType, logger *slog.Logger) (*tls.Config, error) {
	if !l.files.Any() {
		return nil, nil
	}
	source, err := tlsfiles.Open(l.files, clock.System, logger)
	if l.files.CA.Path == "" {
		auth = tls.NoClientCert
	} else if l.files.Cert.Path == "" {
		err = errors.Join(err, fmt.Errorf("%s is set and %s is not: without a certificate of its own the listener speaks no TLS and asks no client for one", l.files.CA.Setting, l.files.Cert.Setting))
	}
	if err != nil {
		return nil, err
	}
	return source.Server(auth), nil
}

// metadataTLS are the settings by which a client of metadata nodes speaks TLS.
type metadataTLS struct{ files tlsfiles.Files }

func (m *metadataTLS) define(s *settings.Set, whose string) {
	defineFile(s, &m.files.CA, "metadata.tls.ca", "with the authorities (CA) of the metadata nodes' certificates; set, TLS is spoken with them")
	defineFile(s, &m.files.Cert, "metadata.tls.cert", "with a client certificate to log in with instead of a password; "+whose)
	defineFile(s, &m.files.Key, "metadata.tls.key", "with the private key of --metadata.tls.cert")
}

// open returns how metadata nodes are dialled.
func (m *metadataTLS) open(logger *slog.Logger) (tlsfiles.DialFunc, error) {
	dial := tlsfiles.DialFunc(new(net.Dialer).DialContext)
	if !m.files.Any() {
		return dial, nil
	}
	source, err := tlsfiles.Open(m.files, clock.System, logger)
	if m.files.CA.Path == "" {
		err = errors.Join(err, fmt.Errorf("%s is not set, and %s or its key is: TLS is spoken only with nodes whose authority is given", m.files.CA.Setting, m.files.Cert.Setting))
	}
	if err != nil {
		return nil, err
	}
	return tlsfiles.Dial(dial, source.Client), nil
}

// hint is for a node that could not be reached, or would not listen.
func (m *metadataTLS) hint() string {
	if m.files.CA.Path == "" {
		return " If it speaks TLS, set --metadata.tls.ca."
	}
	return ""
}

const (
	clusterCertificate = "it names its cluster by a URI inkwell:NAME among its subject alternative names, or by its common name"
	adminCertificate   = "it is an administrator's by a URI inkwell:admin among its subject alternative names"
)
