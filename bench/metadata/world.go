package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/inkwell-project/inkwell/bench/load"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
	"github.com/inkwell-project/inkwell/test/servers"
)

// world is the metadata nodes of one measurement, each a process.
type world struct {
	binary, dir string
	nodes       []*servers.Server // node i+1
	admin       *client.AdminClient
}

// inWorld runs a measurement on new nodes and removes what they leave.
func inWorld(ctx context.Context, binary string, nodes int, measure func(context.Context, *world) ([]load.Row, error)) (rows []load.Row, err error) {
	dir, err := os.MkdirTemp("", "inkwell-metadata-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	w := &world{binary: binary, dir: dir}
	defer func() { err = errors.Join(err, w.stop()) }()
	if err := w.start(ctx, nodes); err != nil {
		return nil, err
	}
	return measure(ctx, w)
}

// start makes the first node's cluster and lets the others join it.
func (w *world) start(ctx context.Context, nodes int) error {
	secret := filepath.Join(w.dir, "cluster.secret")
	if err := os.WriteFile(secret, []byte(strings.Repeat("0123456789abcdef", 4)), 0o600); err != nil {
		return err
	}
	for id := 1; id <= nodes; id++ {
		raft, err := servers.FreeAddress()
		if err != nil {
			return err
		}
		dir := filepath.Join(w.dir, strconv.Itoa(id))
		flags := []string{"--node.id", strconv.Itoa(id), "--data", filepath.Join(dir, "data"), "--raft.listen", raft, "--cluster.secret.file", secret}
		if id > 1 {
			flags = append(flags, "--join", w.addresses()[0])
		}
		s, err := servers.StartInkwellRole(ctx, w.binary, "metadata", servers.Options{Dir: dir, Extra: flags})
		if err != nil {
			return err
		}
		w.nodes = append(w.nodes, s)
		if err := ready(ctx, s); err != nil {
			return err
		}
	}
	w.admin = client.NewAdmin(client.AdminConfig{Addresses: w.addresses(), User: "admin", Dial: new(net.Dialer).DialContext, Timeout: time.Minute, ClientID: "bench"})
	return nil
}

func (w *world) stop() (err error) {
	if w.admin != nil {
		err = w.admin.Close()
	}
	for _, s := range w.nodes {
		err = errors.Join(err, s.Kill()) // the data is not needed any more
	}
	return err
}

func (w *world) addresses() (all []string) {
	for _, s := range w.nodes {
		all = append(all, s.Listen)
	}
	return all
}

// ready waits until a node says that it is.
func ready(ctx context.Context, s *servers.Server) error {
	return until(ctx, 5*time.Millisecond, func() error { return load.Ready(ctx, s.HTTP()) })
}

// until asks again until there is no error. What another process does has no other sign.
func until(ctx context.Context, every time.Duration, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within a minute: %w", err)
		case <-time.After(every):
		}
	}
}

// create makes an Inkless cluster and returns its brokers' password.
func (w *world) create(ctx context.Context, name kafka.ClusterID, batchCoordinators int32) (password string, err error) {
	made, err := w.admin.CreateCluster(ctx, &rpc.CreateClusterRequest{Name: name, BatchCoordinators: batchCoordinators})
	if err != nil {
		return "", err
	}
	return made.Password, nil
}
