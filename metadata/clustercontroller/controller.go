package clustercontroller

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"regexp"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/clustercontroller/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/topics"
)

// Config of a Controller.
type Config struct {
	NodeID  int32
	Log     raftlog.Log // of __cluster_metadata; its state machine is state.Machine
	Clock   clock.Clock
	NewUUID func() [16]byte // random, from a source fit for secrets
	// NewCredential makes what is kept of a password; salt is random.
	NewCredential func(cluster, password string, salt []byte) (topics.ScramCredential, error)
	Logger        *slog.Logger

	// MaxFeatureLevel is the highest level of topics.MetadataFeature that this node knows, as an older release would know less; default the newest.
	MaxFeatureLevel int32

	DefaultBatchCoordinators int32 // where a spec says 0; default 2
	DefaultGroupCoordinators int32 // where a spec says 0; default 4

	Replicas         int // of each partition, where there are so many nodes; default 3
	MetadataReplicas int // voters of __cluster_metadata; default 3
	MaxMoves         int // partitions whose replicas change at the same time; default 8
	// Alive says whether a node was heard of lately, as far as this node knows; nil: all are.
	Alive func(node int32) bool
}

// SetDefaults fills in what is zero.
func (c *Config) SetDefaults() {
	if c.Clock == nil {
		c.Clock = clock.System
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.MaxFeatureLevel == 0 {
		c.MaxFeatureLevel = topics.NewestFeatureLevel
	}
	if c.DefaultBatchCoordinators == 0 {
		c.DefaultBatchCoordinators = 2
	}
	if c.DefaultGroupCoordinators == 0 {
		c.DefaultGroupCoordinators = 4
	}
	setDefault(&c.Replicas, 3)
	setDefault(&c.MetadataReplicas, 3)
	setDefault(&c.MaxMoves, 8)
	if c.Alive == nil {
		c.Alive = func(int32) bool { return true }
	}
}

func setDefault(v *int, d int) {
	if *v == 0 {
		*v = d
	}
}

// Validate reports every mistake at once.
func (c *Config) Validate() error {
	var errs []error
	for _, part := range []struct {
		name    string
		missing bool
	}{{"Log", c.Log == nil}, {"NewUUID", c.NewUUID == nil}, {"NewCredential", c.NewCredential == nil}} {
		if part.missing {
			errs = append(errs, fmt.Errorf("cluster controller: %s is not set", part.name))
		}
	}
	for what, n := range map[string]int{"replicas": c.Replicas, "replicas of __cluster_metadata": c.MetadataReplicas} {
		if n < 1 || n > 7 || n%2 == 0 {
			errs = append(errs, fmt.Errorf("cluster controller: %d %s, want 1, 3, 5 or 7", n, what))
		}
	}
	return errors.Join(errs...)
}

// Controller answers on the node that leads __cluster_metadata.
type Controller struct{ cfg Config }

// New makes a Controller.
func New(cfg Config) (*Controller, error) {
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Controller{cfg: cfg}, nil
}

// maxCoordinators bounds the partitions of one coordinator topic.
const maxCoordinators = 1000

var legalName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// Spec describes a cluster to create; a count of 0 is the Controller's default.
type Spec struct {
	Name              kafka.ClusterID
	BatchCoordinators int32
	GroupCoordinators int32
}

// Created is a new cluster and its brokers' password, which nobody can read again.
type Created struct {
	Cluster  *topics.InklessCluster
	Password string
}

// CreateCluster makes a cluster. kerr.DuplicateResource: the name is taken, if only by a cluster that was deleted.
func (c *Controller) CreateCluster(ctx context.Context, spec Spec) (*Created, error) {
	if spec.BatchCoordinators == 0 {
		spec.BatchCoordinators = c.cfg.DefaultBatchCoordinators
	}
	if spec.GroupCoordinators == 0 {
		spec.GroupCoordinators = c.cfg.DefaultGroupCoordinators
	}
	if err := validate(spec); err != nil {
		return nil, err
	}
	if old, err := c.DescribeCluster(ctx, spec.Name); err == nil {
		return nil, fmt.Errorf("cluster %s is %s: %w", spec.Name, old.State, kerr.DuplicateResource)
	} else if !errors.Is(err, kerr.ResourceNotFound) {
		return nil, err
	}
	password := c.secret()
	credential, err := c.cfg.NewCredential(string(spec.Name), password, []byte(c.secret())[:24])
	if err != nil {
		return nil, err
	}
	layout, err := c.Layout(ctx)
	if err != nil {
		return nil, err
	}
	uuid := c.cfg.NewUUID()
	err = c.propose(ctx, &state.CreateCluster{
		Name: spec.Name, UUID: base64.RawURLEncoding.EncodeToString(uuid[:]), BatchCoordinators: spec.BatchCoordinators, GroupCoordinators: spec.GroupCoordinators,
		Credential: credential, Voters: c.planner().place(layout, c.cfg.NodeID),
	})
	if err != nil {
		return nil, err
	}
	created, err := c.DescribeCluster(ctx, spec.Name)
	if err != nil {
		return nil, err
	}
	c.cfg.Logger.Info("created an Inkless cluster", "cluster", spec.Name)
	return &Created{Cluster: created, Password: password}, nil
}

func validate(spec Spec) error {
	if !legalName.MatchString(string(spec.Name)) || spec.Name == "admin" {
		return fmt.Errorf("cluster name %q: want 1 to 63 of a-z, 0-9 and -, not beginning with -, and not admin: %w", spec.Name, kerr.InvalidRequest)
	}
	for what, n := range map[string]int32{"batch coordinator": spec.BatchCoordinators, "group coordinator": spec.GroupCoordinators} {
		if n < 1 || n > maxCoordinators {
			return fmt.Errorf("%d %s partitions: want 1 to %d: %w", n, what, maxCoordinators, kerr.InvalidPartitions)
		}
	}
	return nil
}

// secret is 256 random bits as text.
func (c *Controller) secret() string {
	a, b := c.cfg.NewUUID(), c.cfg.NewUUID()
	return base64.RawURLEncoding.EncodeToString(append(a[:], b[:]...))
}

// propose refuses what the feature level does not allow yet.
func (c *Controller) propose(ctx context.Context, cmd state.Command) error {
	if err := c.allowed(cmd); err != nil {
		return err
	}
	return c.proposeUngated(ctx, cmd)
}

func (c *Controller) proposeUngated(ctx context.Context, cmd state.Command) error {
	result, err := c.cfg.Log.Propose(ctx, state.Encode(c.cfg.Clock.Now().UnixMilli(), cmd))
	if err != nil {
		return fmt.Errorf("%s: %w", topics.ClusterMetadata, err)
	}
	return result.(state.Result).Err
}

// ListClusters lists all clusters by name, also those that were deleted.
func (c *Controller) ListClusters(ctx context.Context) (all []*topics.InklessCluster, err error) {
	if err := c.cfg.Log.ReadBarrier(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", topics.ClusterMetadata, err)
	}
	err = c.view(func(r statestore.Reader) { all = state.Clusters(r) })
	return all, err
}

// view is Log.View; a damaged state halts this partition, and does not end the process.
func (c *Controller) view(fn func(statestore.Reader)) error {
	if err := statestore.View(c.cfg.Log, fn); err != nil {
		return fmt.Errorf("%s: %w: %w", topics.ClusterMetadata, kerr.CoordinatorNotAvailable, err)
	}
	return nil
}

// DescribeCluster returns kerr.ResourceNotFound for a cluster that never was.
func (c *Controller) DescribeCluster(ctx context.Context, name kafka.ClusterID) (found *topics.InklessCluster, err error) {
	if err := c.cfg.Log.ReadBarrier(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", topics.ClusterMetadata, err)
	}
	if err := c.view(func(r statestore.Reader) { found, _ = state.Cluster(r, name) }); err != nil {
		return nil, err
	}
	if found == nil {
		return nil, fmt.Errorf("there is no cluster %s: %w", name, kerr.ResourceNotFound)
	}
	return found, nil
}

// DeleteCluster ends a cluster. kerr.ResourceNotFound: there is none of that name, or it was deleted before.
func (c *Controller) DeleteCluster(ctx context.Context, name kafka.ClusterID) error {
	if err := c.propose(ctx, &state.DeleteCluster{Name: name}); err != nil {
		return err
	}
	c.cfg.Logger.Info("deleted an Inkless cluster; its objects stay in its store", "cluster", name)
	return nil
}
