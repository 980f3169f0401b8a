package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/internal/settings"
	"github.com/inkwell-project/inkwell/internal/tlsfiles"
	"github.com/inkwell-project/inkwell/metadata"
)

// peerSettings are the settings of a metadata node that has others beside it.
type peerSettings struct {
	raftListen       string
	raftAdvertise    string
	join             string
	secretFile       string
	rack             string
	replicas         int64
	metadataReplicas int64
	ca               tlsfiles.File  // of the other nodes' --listen
	raftFiles        tlsfiles.Files // of --raft.listen, for both sides

	listenTLS, raftTLS *tlsfiles.Source // nil without TLS
}

func (p *peerSettings) define(s *settings.Set) {
	s.String(&p.raftListen, "raft.listen", "", "address for the other nodes of the Metadata cluster; empty means that there are none", optionalAddress)
	s.String(&p.raftAdvertise, "raft.advertise", "", "HOST:PORT that the other nodes are told; empty means the --raft.listen address", optionalAddress)
	s.String(&p.join, "join", "", "--listen addresses of nodes of the cluster that this node joins, HOST:PORT[,HOST:PORT...]; empty makes a new cluster in an empty folder", optionalAddresses)
	s.String(&p.secretFile, "cluster.secret.file", "", "file with the secret that all nodes of the cluster share and prove themselves with; without one --raft.listen must be a loopback address", nil)
	defineFile(s, &p.ca, "tls.ca", "with the authorities (CA) of the other nodes' --tls.cert; needed where there are other nodes and --tls.cert is set")
	defineFile(s, &p.raftFiles.Cert, "raft.tls.cert", "with the certificate that this node shows the other nodes at --raft.listen and when it connects to theirs; set, both sides must show one")
	defineFile(s, &p.raftFiles.Key, "raft.tls.key", "with the private key of --raft.tls.cert")
	defineFile(s, &p.raftFiles.CA, "raft.tls.ca", "with the authorities (CA) that the nodes' --raft.tls.cert come from, and nobody else's should")
	s.String(&p.rack, "rack", "", "this node's rack or zone, as Kafka's tools show it", nil)
	s.Int(&p.replicas, "replication.factor", 3, 1, 7, "replicas of each partition, where there are so many nodes; 1, 3, 5 or 7, the same on all nodes")
	s.Int(&p.metadataReplicas, "metadata.replication.factor", 3, 1, 7, "voters of __cluster_metadata, where there are so many nodes; 1, 3, 5 or 7, the same on all nodes")
}

func optionalAddresses(v string) error {
	if v == "" {
		return nil
	}
	return addresses(v)
}

// minSecretBytes keeps secrets from being guessed: the handshake can be tried by whoever reaches the port.
const minSecretBytes = 16

// openTLS reads the files. listening says that --listen speaks TLS, and so the other nodes' too.
func (p *peerSettings) openTLS(listening bool, logger *slog.Logger) error {
	var errs []error
	open := func(files tlsfiles.Files) *tlsfiles.Source {
		source, err := tlsfiles.Open(files, clock.System, logger)
		errs = append(errs, err)
		return source
	}
	switch {
	case p.ca.Path != "" && !listening:
		errs = append(errs, fmt.Errorf("%s is set and --tls.cert is not: nodes speak TLS with one another when all of them have certificates", p.ca.Setting))
	case p.ca.Path != "":
		p.listenTLS = open(tlsfiles.Files{CA: p.ca})
	case listening && p.raftListen != "":
		errs = append(errs, fmt.Errorf("--tls.cert and --raft.listen are set and %s is not: this node could not check the other nodes' certificates; give the authority (CA) that signed them", p.ca.Setting))
	}
	if !p.raftFiles.Any() {
		return errors.Join(errs...)
	}
	p.raftTLS = open(p.raftFiles)
	if p.raftFiles.Cert.Path == "" || p.raftFiles.CA.Path == "" {
		errs = append(errs, fmt.Errorf("%s and %s go together: nodes check one another's certificates", p.raftFiles.Cert.Setting, p.raftFiles.CA.Setting))
	}
	if p.raftListen == "" {
		errs = append(errs, fmt.Errorf("%s is set and --raft.listen is not: there are no nodes to speak TLS with", p.raftFiles.Cert.Setting))
	}
	return errors.Join(errs...)
}

// apply fills in cfg. The returned function closes the socket if nobody else did.
func (p *peerSettings) apply(cfg *metadata.Config) (closeSocket func(), err error) {
	cfg.Rack, cfg.Replicas, cfg.MetadataReplicas = p.rack, int(p.replicas), int(p.metadataReplicas)
	if p.listenTLS != nil {
		cfg.DialTLS = p.listenTLS.Client
	}
	if p.raftTLS != nil {
		cfg.RaftTLS, cfg.RaftDialTLS = p.raftTLS.Server(tls.RequireAndVerifyClientCert), p.raftTLS.Client
	}
	if p.join != "" {
		cfg.Join = strings.Split(p.join, ",")
	}
	if p.secretFile != "" {
		content, err := os.ReadFile(p.secretFile)
		if err != nil {
			return nil, fmt.Errorf("--cluster.secret.file: %w", err)
		}
		if cfg.ClusterSecret = bytes.TrimSpace(content); len(cfg.ClusterSecret) < minSecretBytes {
			return nil, fmt.Errorf("--cluster.secret.file %s holds a secret of %d bytes, it must have at least %d: make one with `openssl rand -hex 32`", p.secretFile, len(cfg.ClusterSecret), minSecretBytes)
		}
	}
	if p.raftListen == "" {
		if p.join != "" {
			return nil, errors.New("--join is set and --raft.listen is not: the other nodes must be able to reach this one")
		}
		return func() {}, nil
	}
	if p.secretFile == "" && !loopback(p.raftListen) {
		return nil, fmt.Errorf("--raft.listen %s is reachable from elsewhere and --cluster.secret.file is not set: anybody could be a node of the cluster", p.raftListen)
	}
	if p.secretFile == "" && cfg.AdminPassword != "" {
		return nil, errors.New("--admin.password is set and --cluster.secret.file is not: the nodes could not log in at one another")
	}
	l, err := listen("--raft.listen", p.raftListen)
	if err != nil {
		return nil, err
	}
	cfg.RaftListener, cfg.RaftAdvertised = l, p.raftAdvertise
	return func() { _ = l.Close() }, nil // closed before, as a rule
}

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}
