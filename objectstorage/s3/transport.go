package s3

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// pools are the connections: one pool for reads, one for the rest. A reader that catches up with history opens many and
// must not make an upload wait.
type pools struct{ reads, writes *http.Transport }

func newPools(dial func(ctx context.Context, network, address string) (net.Conn, error)) *pools {
	if dial == nil {
		dial = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	}
	pool := func() *http.Transport {
		return &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           dial,
			TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:   5 * time.Second,
			ResponseHeaderTimeout: 30 * time.Second,
			ExpectContinueTimeout: time.Second,
			IdleConnTimeout:       60 * time.Second,
			MaxIdleConns:          128,
			MaxIdleConnsPerHost:   128, // there is one host
			DisableCompression:    true,
			WriteBufferSize:       128 << 10,
			ReadBufferSize:        128 << 10,
		}
	}
	return &pools{reads: pool(), writes: pool()}
}

// RoundTrip implements http.RoundTripper.
func (p *pools) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodGet || req.Method == http.MethodHead {
		return p.reads.RoundTrip(req)
	}
	return p.writes.RoundTrip(req)
}

func (p *pools) closeIdle() {
	p.reads.CloseIdleConnections()
	p.writes.CloseIdleConnections()
}
