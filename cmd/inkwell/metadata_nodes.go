package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/settings"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
)

const nodesIntro = `Administers the nodes of a Metadata Kafka Cluster.

  inkwell metadata nodes list             the nodes, what each holds, and the moves under way
  inkwell metadata nodes add ID           let a node that joined have replicas, again after a drain; new nodes may at once
  inkwell metadata nodes drain ID         move a node's replicas and leaders to others; list shows how far it is
  inkwell metadata nodes remove ID        end the membership of a drained node, for ever
  inkwell metadata nodes replace OLD NEW  end the membership of a dead node and rebuild its replicas on one that joined`

// nodesCommand is one call of `inkwell metadata nodes`.
type nodesCommand struct {
	metadata       string
	user, password string
	nodes          metadataTLS
	timeout        time.Duration
	force          bool

	admin rpc.NodeAdmin
	out   io.Writer
}

// runMetadataNodes administers the nodes of a Metadata cluster.
func runMetadataNodes(ctx context.Context, args []string) (err error) {
	c := nodesCommand{out: os.Stdout}
	s := settings.New("metadata nodes", nodesIntro)
	s.String(&c.metadata, "metadata", "127.0.0.1:9192", "addresses of metadata nodes, HOST:PORT[,HOST:PORT...]", addresses)
	s.String(&c.user, "admin.user", "admin", "the administrator to log in as", nil)
	s.String(&c.password, "admin.password", "", "the administrator's password; better given as INKWELL_ADMIN_PASSWORD, for others can see flags. Empty means no login", nil)
	c.nodes.define(s, adminCertificate)
	s.Bool(&c.force, "force", false, "remove: a node that still has replicas; replace: a node that is alive")
	s.Duration(&c.timeout, "timeout", 30*time.Second, time.Second, 10*time.Minute, "time for the whole command")
	err = s.Load(args, os.Environ(), os.Stdout)
	dial, dialErr := c.nodes.open(slog.New(slog.DiscardHandler))
	if err := errors.Join(err, dialErr); err != nil {
		return err
	}
	run, err := c.parse(s.Args())
	if err != nil {
		return err
	}
	admin := client.NewAdmin(client.AdminConfig{
		Addresses: strings.Split(c.metadata, ","), User: c.user, Password: c.password, Dial: dial, Timeout: c.timeout, ClientID: "inkwell-metadata-nodes",
	})
	defer closeInto(&err, admin.Close)
	c.admin = admin
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return c.explain(run(ctx))
}

func (c *nodesCommand) parse(args []string) (run func(ctx context.Context) error, err error) {
	const want = "want list, add ID, drain ID, remove ID or replace OLD NEW; `inkwell metadata nodes --help` says more"
	if len(args) == 0 {
		return nil, errors.New(want)
	}
	ids := make([]int32, len(args)-1)
	for i, text := range args[1:] {
		id, err := strconv.ParseInt(text, 10, 32)
		if err != nil || id < 1 {
			return nil, fmt.Errorf("%s: %q is no node id, which is a number from 1", args[0], text)
		}
		ids[i] = int32(id)
	}
	verbs := map[string]struct {
		action rpc.NodeAction
		ids    int
		done   string
	}{
		"add":     {rpc.NodeAdd, 1, "Node %d may have replicas now; `inkwell metadata nodes list` shows them come.\n"},
		"drain":   {rpc.NodeDrain, 1, "Node %d drains; when `inkwell metadata nodes list` shows no replicas on it, remove it.\n"},
		"remove":  {rpc.NodeRemove, 1, "Node %d is no member any more: stop its process. Its id is not used again.\n"},
		"replace": {rpc.NodeReplace, 2, "Node %d is no member any more; its replicas are rebuilt. `inkwell metadata nodes list` shows them come.\n"},
	}
	if args[0] == "list" && len(ids) == 0 {
		return c.list, nil
	}
	verb, ok := verbs[args[0]]
	if !ok || len(ids) != verb.ids {
		return nil, fmt.Errorf("cannot %q; %s", strings.Join(args, " "), want)
	}
	req := &rpc.SetNodeRequest{Action: verb.action, Node: ids[0], Force: c.force}
	if verb.ids == 2 {
		req.By = ids[1]
	}
	return func(ctx context.Context) error {
		if _, err := c.admin.SetNode(ctx, req); err != nil {
			return err
		}
		fmt.Fprintf(c.out, verb.done, req.Node)
		return nil
	}, nil
}

func (c *nodesCommand) list(ctx context.Context) error {
	l, err := c.admin.ListNodes(ctx, &rpc.ListNodesRequest{})
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "Metadata cluster %s, controller: node %d\n\n", l.ClusterID, l.Controller)
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tADDRESS\tRAFT ADDRESS\tVERSION\tALIVE\tSTATE\tREPLICAS\tLEADS\tARRIVING\tLEAVING")
	for _, n := range l.Nodes {
		state := n.State
		if n.ReplacedBy != 0 {
			state += fmt.Sprintf(", replaced by %d", n.ReplacedBy)
		}
		alive := "yes"
		if !n.Alive {
			alive = "no"
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\n", n.ID, orDash(n.Address), orDash(n.RaftAddress), orDash(n.Version), alive, state, n.Replicas, n.Leads, n.Arriving, n.Leaving)
	}
	if len(l.Moves) > 0 {
		fmt.Fprintln(w, "\nMOVING\tFROM\tTO\tENTRIES BEHIND")
		for _, m := range l.Moves {
			lag := "?"
			if m.Lag >= 0 {
				lag = strconv.FormatInt(m.Lag, 10)
			}
			fmt.Fprintf(w, "%s-%d\t%v\t%v\t%s\n", m.Topic, m.Partition, m.From, m.To, lag)
		}
	}
	return w.Flush()
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// explain says what went wrong without the names and texts that Kafka has for it, and what the user can do about it.
func (c *nodesCommand) explain(err error) error {
	if err == nil {
		return nil
	}
	text := plain(err).Error()
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		text += "\nOnly administrators may do this: set INKWELL_ADMIN_PASSWORD to the password that the metadata nodes were started with."
	case errors.Is(err, kerr.ResourceNotFound):
		text += "\n`inkwell metadata nodes list` shows the nodes that there are."
	case errors.Is(err, kerr.CoordinatorNotAvailable):
		text += fmt.Sprintf("\nCheck that a metadata node listens at --metadata %s, and that most of them run.", c.metadata) + c.nodes.hint()
	}
	return &explained{err, text}
}
