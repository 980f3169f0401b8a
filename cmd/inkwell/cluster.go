package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/settings"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
)

const clusterIntro = `Creates, lists, describes, limits, suspends and deletes Inkless clusters on a Metadata cluster.

  inkwell cluster create NAME      make a cluster; prints the password of its brokers, once
  inkwell cluster list             all clusters
  inkwell cluster describe NAME    one cluster, and where its topics are on the Metadata cluster
  inkwell cluster limit NAME --commits.per.second 100 ...
                                   bound what a cluster may ask of the Metadata cluster
  inkwell cluster alter NAME --batch.coordinators N
                                   give a cluster more batch coordinators, for topics created from now on
  inkwell cluster cost --prices FILE
                                   what its requests to object storage cost
  inkwell cluster suspend NAME     stop serving a cluster; its data stay
  inkwell cluster resume NAME      serve it again
  inkwell cluster rotate-credential NAME
                                   give its brokers a new password; the old one is refused for new connections
  inkwell cluster delete NAME      end a cluster for ever; its objects stay in its store, its name cannot be used again`

// clusterCommand is one call of `inkwell cluster`.
type clusterCommand struct {
	metadata          string
	user, password    string
	nodes             metadataTLS
	batchCoordinators int64
	groupCoordinators int64
	timeout           time.Duration
	limits            map[string]*string // by name

	admin   rpc.ClusterAdmin
	alterer rpc.ClusterAlterer
	grower  coordinatorGrower
	out     io.Writer
}

// runCluster administers the Inkless clusters of a Metadata cluster.
func runCluster(ctx context.Context, args []string) (err error) {
	if len(args) > 0 && args[0] == "cost" { // it asks the cluster's controller, with the cluster's credentials
		return runClusterCost(ctx, args[1:])
	}
	c := clusterCommand{out: os.Stdout}
	s := settings.New("cluster", clusterIntro)
	s.String(&c.metadata, "metadata", "127.0.0.1:9192", "addresses of metadata nodes, HOST:PORT[,HOST:PORT...]", addresses)
	s.String(&c.user, "admin.user", "admin", "the administrator to log in as", nil)
	s.String(&c.password, "admin.password", "", "the administrator's password; better given as INKWELL_ADMIN_PASSWORD, for others can see flags. Empty means no login", nil)
	c.nodes.define(s, adminCertificate)
	s.Int(&c.batchCoordinators, "batch.coordinators", 0, 0, 1000, "create, alter: partitions of the cluster's __batch_coordinates, more of which take more commits; 0 leaves it to the node")
	s.Int(&c.groupCoordinators, "group.coordinators", 0, 0, 1000, "create: partitions of the cluster's __consumer_offsets, which cannot be changed later; 0 leaves it to the node")
	c.defineLimits(s)
	s.Duration(&c.timeout, "timeout", 30*time.Second, time.Second, 10*time.Minute, "time for the whole command")
	err = s.Load(args, os.Environ(), os.Stdout)
	dial, dialErr := c.nodes.open(slog.New(slog.DiscardHandler))
	if err := errors.Join(err, dialErr); err != nil {
		return err
	}
	run, name, err := c.parse(s.Args())
	if err != nil {
		return err
	}
	admin := client.NewAdmin(client.AdminConfig{
		Addresses: strings.Split(c.metadata, ","), User: c.user, Password: c.password, Dial: dial, Timeout: c.timeout, ClientID: "inkwell-cluster",
	})
	defer closeInto(&err, admin.Close)
	c.admin, c.alterer, c.grower = admin, admin, admin
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return c.explain(name, run(ctx, name))
}

// parse finds what to do and with which cluster.
func (c *clusterCommand) parse(args []string) (run func(ctx context.Context, name kafka.ClusterID) error, name kafka.ClusterID, err error) {
	const usage = "`inkwell cluster --help` says more"
	if len(args) == 0 {
		return nil, "", fmt.Errorf("say what to do: create NAME, list, describe NAME, limit NAME, alter NAME, suspend NAME, resume NAME, rotate-credential NAME or delete NAME; %s", usage)
	}
	wantsName := true
	switch args[0] {
	case "create":
		run = c.create
	case "list":
		run, wantsName = c.list, false
	case "describe":
		run = c.describe
	case "limit":
		run = c.limit
	case "alter":
		run = c.alter
	case "suspend":
		run = c.suspend
	case "resume":
		run = c.resume
	case "rotate-credential":
		run = c.rotateCredential
	case "delete":
		run = c.delete
	default:
		return nil, "", fmt.Errorf("cannot %q; want create NAME, list, describe NAME, limit NAME, alter NAME, suspend NAME, resume NAME, rotate-credential NAME or delete NAME; %s", args[0], usage)
	}
	rest := args[1:]
	switch {
	case wantsName && len(rest) == 0:
		return nil, "", fmt.Errorf("%s: the cluster's name is missing; %s", args[0], usage)
	case wantsName && len(rest) > 1, !wantsName && len(rest) > 0:
		return nil, "", fmt.Errorf("%s: unexpected %q; %s", args[0], rest[len(rest)-1], usage)
	case wantsName:
		name = kafka.ClusterID(rest[0])
	}
	return run, name, nil
}

func (c *clusterCommand) create(ctx context.Context, name kafka.ClusterID) error {
	made, err := c.admin.CreateCluster(ctx, &rpc.CreateClusterRequest{Name: name, BatchCoordinators: int32(c.batchCoordinators), GroupCoordinators: int32(c.groupCoordinators)})
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, `Cluster %[1]s was created; its cluster.id is %[2]s. It has %[5]d batch coordinators and %[6]d group coordinators.
The password of its brokers, which is shown this once and cannot be read again:

  %[3]s

To start a broker of it, with the object storage that it is to use and an id of its own:

  INKWELL_CLUSTER_PASSWORD=%[3]s inkwell broker --metadata %[4]s --cluster %[1]s --broker.id 1 --store 's3://BUCKET/PREFIX?region=REGION'
`, name, made.UUID, made.Password, c.metadata, made.BatchCoordinators, made.GroupCoordinators)
	if ca := c.nodes.files.CA.Path; ca != "" {
		fmt.Fprintf(c.out, `
Add --metadata.tls.ca %s to that. Where the metadata nodes have --tls.client.ca, a certificate replaces the password: --metadata.tls.cert and --metadata.tls.key, with the URI
inkwell:%s among its subject alternative names.
`, ca, name)
	}
	return nil
}

func (c *clusterCommand) list(ctx context.Context, _ kafka.ClusterID) error {
	all, err := c.admin.ListClusters(ctx, &rpc.ListClustersRequest{})
	if err != nil {
		return err
	}
	if len(all.Clusters) == 0 {
		fmt.Fprintln(c.out, "There are no clusters. `inkwell cluster create NAME` makes one.")
		return nil
	}
	return c.table(func(w io.Writer) {
		fmt.Fprintln(w, "NAME\tCLUSTER ID\tSTATE\tCREATED\tBATCH COORDINATORS\tGROUP COORDINATORS\tLIMITS")
		for _, s := range all.Clusters {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", s.Name, s.UUID, s.State, createdAt(s), s.BatchCoordinators, s.GroupCoordinators, limitsText(s.Limits))
		}
	})
}

func (c *clusterCommand) describe(ctx context.Context, name kafka.ClusterID) error {
	d, err := c.admin.DescribeInklessCluster(ctx, &rpc.DescribeInklessClusterRequest{Name: name})
	if err != nil {
		return err
	}
	s := d.Cluster
	return c.table(func(w io.Writer) {
		for _, line := range [][2]any{
			{"Name", s.Name}, {"Cluster id", s.UUID}, {"State", s.State}, {"Created", createdAt(s)}, {"Batch coordinators", s.BatchCoordinators}, {"Group coordinators", s.GroupCoordinators},
			{"Limits", limitsText(s.Limits)},
		} {
			fmt.Fprintf(w, "%v:\t%v\n", line[0], line[1])
		}
		if len(d.Topics) == 0 {
			return
		}
		fmt.Fprintln(w, "\nTOPIC\tPARTITIONS\tWITHOUT LEADER\tNODES")
		for _, t := range d.Topics {
			var nodes []string
			for _, n := range t.Nodes {
				nodes = append(nodes, fmt.Sprintf("%d (holds %d, leads %d)", n.Node, n.Replicas, n.Leads))
			}
			fmt.Fprintf(w, "%s\t%d\t%d\t%s\n", t.Name, t.Partitions, t.Leaderless, strings.Join(nodes, ", "))
		}
	})
}

func (c *clusterCommand) delete(ctx context.Context, name kafka.ClusterID) error {
	if _, err := c.admin.DeleteCluster(ctx, &rpc.DeleteClusterRequest{Name: name}); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "Cluster %[1]s was deleted. The objects below %[1]s/ in its store are not needed any more: `inkwell object purge --cluster %[1]s --store URL` frees them.\n", name)
	return nil
}

// table aligns what write writes.
func (c *clusterCommand) table(write func(w io.Writer)) error {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	write(w)
	return w.Flush()
}

func createdAt(s rpc.InklessClusterSummary) string {
	return time.UnixMilli(s.CreatedMillis).UTC().Format(time.RFC3339)
}

// explained is an error with what the user can do about it.
type explained struct {
	err  error
	text string
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.err }

// explain says what went wrong in the words of the node, without the names and texts that Kafka has for it, and what the user can do about it.
func (c *clusterCommand) explain(name kafka.ClusterID, err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for _, known := range []error{kafka.ErrorOf(err), kerr.CoordinatorNotAvailable} {
		text = strings.ReplaceAll(text, ": "+known.Error(), "")
	}
	if hint := c.hint(name, err); hint != "" {
		text += "\n" + hint
	}
	return &explained{err, text}
}

func (c *clusterCommand) hint(name kafka.ClusterID, err error) string {
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return fmt.Sprintf("The user is %s: check --admin.user and INKWELL_ADMIN_PASSWORD.", c.user)
	case errors.Is(err, kerr.ClusterAuthorizationFailed):
		return "Only administrators may do this: set INKWELL_ADMIN_PASSWORD to the password that the metadata nodes were started with."
	case errors.Is(err, kerr.DuplicateResource):
		return "Choose another name: cluster names are never used twice, not even after a deletion."
	case errors.Is(err, kerr.ResourceNotFound):
		return "`inkwell cluster list` shows the clusters that there are."
	case errors.Is(err, kafka.ErrUnknownOutcome):
		return fmt.Sprintf("It may or may not have been done: `inkwell cluster list` shows it. If a cluster %s was created, its password is lost: delete it and create one of another name.", name)
	case errors.Is(err, kerr.CoordinatorNotAvailable) && c.password == "":
		return fmt.Sprintf("Check that a metadata node listens at --metadata %s. A node that wants a login ends connections without one: set INKWELL_ADMIN_PASSWORD.", c.metadata) + c.nodes.hint()
	case errors.Is(err, kerr.CoordinatorNotAvailable):
		return fmt.Sprintf("Check that a metadata node listens at --metadata %s.", c.metadata) + c.nodes.hint()
	}
	return ""
}
