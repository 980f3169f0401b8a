package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/inkwell-project/inkwell/internal/settings"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
	"github.com/inkwell-project/inkwell/topics"
)

// notGiven is a limit that stays as it is.
const notGiven = ""

// limitHelp says what each limit of topics.ClusterLimits bounds.
var limitHelp = map[string]string{
	"commits.per.second":  "commits of objects a second; a broker over it waits and tries again",
	"batches.per.second":  "record batches in them a second",
	"requests.per.second": "admin and group requests a second that brokers proxy",
	"max.partitions":      "partitions of all topics together",
	"max.metadata.bytes":  "bytes of metadata on a node's disk; above it nothing new is committed or created",
	"max.connections":     "connections of brokers to one metadata node",
}

// defineLimits makes a setting of each limit.
func (c *clusterCommand) defineLimits(s *settings.Set) {
	c.limits = map[string]*string{}
	var all topics.ClusterLimits
	all.Each(func(name string, _ int64) {
		value := new(string)
		c.limits[name] = value
		s.String(value, name, notGiven, "limit: "+limitHelp[name]+"; 0 is no limit", func(v string) error {
			if v == notGiven {
				return nil
			}
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				return errors.New("want a whole number; 0 is no limit")
			}
			return new(topics.ClusterLimits).Set(topics.LimitChange{Name: name, Value: n})
		})
	})
}

// limit changes what was given.
func (c *clusterCommand) limit(ctx context.Context, name kafka.ClusterID) error {
	req := &rpc.AlterClusterRequest{Name: name}
	var names []string
	new(topics.ClusterLimits).Each(func(limit string, _ int64) {
		names = append(names, "--"+limit)
		if v := *c.limits[limit]; v != notGiven {
			n, _ := strconv.ParseInt(v, 10, 64) // checked when it was read
			req.Limits = append(req.Limits, rpc.NamedLimit{Name: limit, Value: n})
		}
	})
	if len(req.Limits) == 0 {
		return fmt.Errorf("limit: say which; there are %s", strings.Join(names, ", "))
	}
	altered, err := c.alterer.AlterCluster(ctx, req)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "Cluster %s: %s\n", name, limitsText(altered.Cluster.Limits))
	return nil
}

// coordinatorGrower is the part of rpc.NodeAdmin that changes a cluster.
type coordinatorGrower interface {
	AddBatchCoordinators(ctx context.Context, req *rpc.AddBatchCoordinatorsRequest) (*rpc.AddBatchCoordinatorsResponse, error)
}

// alter gives a cluster more batch coordinators.
func (c *clusterCommand) alter(ctx context.Context, name kafka.ClusterID) error {
	if c.batchCoordinators == 0 {
		return errors.New("alter: say how many batch coordinators the cluster is to have in all, with --batch.coordinators N")
	}
	if _, err := c.grower.AddBatchCoordinators(ctx, &rpc.AddBatchCoordinatorsRequest{Name: name, Count: int32(c.batchCoordinators)}); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "Cluster %s has %d batch coordinators. Partitions that are created from now on are placed on all of them; those that there are stay where they are.\n", name, c.batchCoordinators)
	return nil
}

func limitsText(limits []rpc.NamedLimit) string {
	if len(limits) == 0 {
		return "no limits"
	}
	var all []string
	for _, l := range limits {
		all = append(all, fmt.Sprintf("%s=%d", l.Name, l.Value))
	}
	return strings.Join(all, " ")
}

func (c *clusterCommand) suspend(ctx context.Context, name kafka.ClusterID) error {
	if _, err := c.alterer.AlterCluster(ctx, &rpc.AlterClusterRequest{Name: name, State: rpc.ClusterSuspended}); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "Cluster %[1]s is suspended: nobody can produce to it, consume from it or change it. Its data stay. `inkwell cluster resume %[1]s` has it served again; its brokers need not be restarted.\n", name)
	return nil
}

func (c *clusterCommand) resume(ctx context.Context, name kafka.ClusterID) error {
	if _, err := c.alterer.AlterCluster(ctx, &rpc.AlterClusterRequest{Name: name, State: rpc.ClusterActive}); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "Cluster %s is served.\n", name)
	return nil
}

func (c *clusterCommand) rotateCredential(ctx context.Context, name kafka.ClusterID) error {
	made, err := c.alterer.RotateCredential(ctx, &rpc.RotateCredentialRequest{Name: name})
	if errors.Is(err, kafka.ErrUnknownOutcome) {
		return fmt.Errorf("the answer was lost, and with it a password that may count now; run it again: %w", err)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, `The brokers of cluster %s have a new password, which is shown this once and cannot be read again:

  %s

The old one is refused from now on when a broker connects. Connections that there are go on: restart the brokers one after the other with INKWELL_CLUSTER_PASSWORD set to the new one.
`, name, made.Password)
	return nil
}

var _ rpc.ClusterAlterer = (*client.AdminClient)(nil)
