package authentication

import (
	"context"
	"crypto/x509"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/listener"
)

// CertificateScheme is that of the URI in a certificate's subject alternative names that says whose it is: inkwell:orders for the brokers of cluster orders.
const CertificateScheme = "inkwell"

// Certificate is listener.Config.Certificate. The URI inkwell:NAME in the subject alternative names, else the subject's common name, is the name of a cluster (or of the
// administrator), as the user is with SCRAM. That the certificate was signed by the CA which may say so is checked before.
func (a *Authenticator) Certificate(ctx context.Context, conn *listener.Conn, certificate *x509.Certificate) (principal string, err error) {
	name, byURI, err := certificateName(certificate)
	if err != nil {
		return "", err
	}
	early := !a.loaded(name)
	if !a.known(name, byURI) {
		if early {
			return "", tooEarly(name)
		}
		return "", fmt.Errorf("no cluster %q, which the certificate names: %w", name, kerr.SaslAuthenticationFailed)
	}
	if err := a.admit(ctx, conn, name); err != nil {
		return "", err
	}
	return PrincipalPrefix + name, nil
}

func certificateName(certificate *x509.Certificate) (name string, byURI bool, err error) {
	for _, uri := range certificate.URIs {
		if uri.Scheme != CertificateScheme {
			continue
		}
		if name != "" || uri.Opaque == "" {
			return "", false, fmt.Errorf("subject alternative name %q: want one URI %s:NAME: %w", uri, CertificateScheme, kerr.SaslAuthenticationFailed)
		}
		name, byURI = uri.Opaque, true
	}
	if name == "" {
		name = certificate.Subject.CommonName
	}
	if name == "" {
		return "", false, fmt.Errorf("the certificate names no cluster, neither by a URI %s:NAME nor by its common name: %w", CertificateScheme, kerr.SaslAuthenticationFailed)
	}
	return name, byURI, nil
}
