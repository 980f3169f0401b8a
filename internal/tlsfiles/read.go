package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"
)

// File is a file and the setting that names it.
type File struct{ Setting, Path string }

func (f File) String() string { return f.Setting + " " + f.Path }

// Files are a certificate with its key, the authorities that the other side's certificate must come from, or both. An empty path is none.
type Files struct{ Cert, Key, CA File }

// Any says whether any of the files is set.
func (f *Files) Any() bool { return f.Cert.Path != "" || f.Key.Path != "" || f.CA.Path != "" }

// material is what the files hold.
type material struct {
	pair  *tls.Certificate // nil without one
	roots *x509.CertPool   // nil without any
}

// read reads all files and reports every mistake.
func (f *Files) read(now time.Time) (material, error) {
	var m material
	var errs []error
	switch {
	case f.Cert.Path != "" && f.Key.Path == "":
		errs = append(errs, fmt.Errorf("%s is set and %s is not: a certificate is of use only with its private key; set both or neither", f.Cert.Setting, f.Key.Setting))
	case f.Cert.Path == "" && f.Key.Path != "":
		errs = append(errs, fmt.Errorf("%s is set and %s is not: a private key is of use only with its certificate; set both or neither", f.Key.Setting, f.Cert.Setting))
	}
	cert, key, ca := content(f.Cert, "CERTIFICATE", &errs), content(f.Key, "PRIVATE KEY", &errs), content(f.CA, "CERTIFICATE", &errs)
	if cert != nil && key != nil {
		m.pair = f.pair(cert, key, now, &errs)
	}
	if ca != nil {
		m.roots = x509.NewCertPool()
		if !m.roots.AppendCertsFromPEM(ca) {
			errs = append(errs, fmt.Errorf("%s holds no certificate that can be read: give the PEM file of the authority (CA) that signed the other side's certificates", f.CA))
		}
	}
	return m, errors.Join(errs...)
}

// content is the file's, nil if there is none or it was a mistake.
func content(f File, kind string, errs *[]error) []byte {
	if f.Path == "" {
		return nil
	}
	b, err := os.ReadFile(f.Path)
	if err != nil {
		*errs = append(*errs, fmt.Errorf("%s cannot be read: %w; give a PEM file that this process may read", f, err))
		return nil
	}
	for rest := b; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			*errs = append(*errs, fmt.Errorf("%s holds no %s in PEM form; its text must have a line -----BEGIN %s-----", f, kind, kind))
			return nil
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
			*errs = append(*errs, fmt.Errorf("%s holds a key with a password, which nobody could enter; store it without one, readable for this process only", f))
			return nil
		}
		// Keys have several names in PEM: EC PRIVATE KEY, RSA PRIVATE KEY, PRIVATE KEY.
		if len(block.Type) >= len(kind) && block.Type[len(block.Type)-len(kind):] == kind {
			return b
		}
	}
}

func (f *Files) pair(cert, key []byte, now time.Time, errs *[]error) *tls.Certificate {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		*errs = append(*errs, fmt.Errorf("%s and %s do not belong together or are damaged: %w; give the certificate and the key that it was made for", f.Cert, f.Key, err))
		return nil
	}
	if pair.Leaf.NotAfter.Before(now) {
		*errs = append(*errs, fmt.Errorf("%s holds a certificate that expired at %s: renew it", f.Cert, pair.Leaf.NotAfter.UTC().Format(time.RFC3339)))
		return nil
	}
	return &pair
}

// fingerprint tells whether a file was written, replaced, removed or came back. Several files may be made within one tick of a file system's clock, and secrets may all have one
// time: which file it is counts, too.
type fingerprint [3]os.FileInfo

func (f *Files) fingerprint() (p fingerprint) {
	for i, file := range []File{f.Cert, f.Key, f.CA} {
		if file.Path == "" {
			continue
		}
		if info, err := os.Stat(file.Path); err == nil { // through the links by which mounted secrets are swapped
			p[i] = info
		}
	}
	return p
}

func (p fingerprint) equal(q fingerprint) bool {
	for i := range p {
		a, b := p[i], q[i]
		if (a == nil) != (b == nil) || a != nil && (!os.SameFile(a, b) || !a.ModTime().Equal(b.ModTime()) || a.Size() != b.Size()) {
			return false
		}
	}
	return true
}
