package authentication

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/listener"
)

// connections counts the connections of each cluster, each once however often it authenticates.
type connections struct {
	mu   sync.Mutex                     // guards open
	open map[string]map[uint64]struct{} // by cluster and connection
}

// admit counts a connection of a cluster, unless it has as many as it may have. It is counted until ctx ends, with the connection.
func (a *Authenticator) admit(ctx context.Context, conn *listener.Conn, cluster string) error {
	if conn == nil {
		return nil
	}
	most := int64(0)
	if a.maxConnections != nil {
		most = a.maxConnections(cluster)
	}
	c := &a.connections
	c.mu.Lock()
	defer c.mu.Unlock()
	open := c.open[cluster]
	if _, again := open[conn.ID]; again {
		return nil
	}
	if most > 0 && int64(len(open)) >= most {
		return fmt.Errorf("cluster %s is over its limit max.connections=%d of this metadata node: %w", cluster, most, kerr.SaslAuthenticationFailed)
	}
	if open == nil {
		open = map[uint64]struct{}{}
		c.open[cluster] = open
	}
	open[conn.ID] = struct{}{}
	context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if delete(open, conn.ID); len(open) == 0 {
			delete(c.open, cluster)
		}
	})
	return nil
}

// Connections is how many connections of a cluster are open.
func (a *Authenticator) Connections(cluster string) int {
	a.connections.mu.Lock()
	defer a.connections.mu.Unlock()
	return len(a.connections.open[cluster])
}
