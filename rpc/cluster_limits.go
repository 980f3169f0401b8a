package rpc

import (
	"context"

	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/kafka"
)

// Keys of the private APIs of ClusterAdmin that change a cluster, and the Metadata cluster's features.
const (
	KeyAlterCluster     int16 = 20104
	KeyRotateCredential int16 = 20105
	KeyListFeatures     int16 = 20106
	KeyUpgradeFeatures  int16 = 20107
)

// ClusterAlterer is the part of ClusterAdmin that changes a cluster which exists.
type ClusterAlterer interface {
	// AlterCluster sets limits, suspends or resumes. kerr.InvalidConfig: no such limit, or its value is out of bounds. kerr.ResourceNotFound: no such cluster.
	// kerr.UnsupportedVersion: the feature level does not allow it yet.
	AlterCluster(ctx context.Context, req *AlterClusterRequest) (*AlterClusterResponse, error)
	// RotateCredential gives the cluster's brokers a new password; the old one is refused for new connections. kafka.ErrUnknownOutcome: it may have changed.
	RotateCredential(ctx context.Context, req *RotateCredentialRequest) (*RotateCredentialResponse, error)
	// ListFeatures says at which feature level the Metadata cluster works.
	ListFeatures(ctx context.Context, req *ListFeaturesRequest) (*ListFeaturesResponse, error)
	// UpgradeFeatures raises the level. kerr.InvalidUpdateVersion: it would fall, or a node does not know it.
	UpgradeFeatures(ctx context.Context, req *UpgradeFeaturesRequest) (*ListFeaturesResponse, error)
}

// NamedLimit is a limit of a cluster by its name; 0 is none.
type NamedLimit struct {
	Name  string
	Value int64
}

// States that AlterCluster can give a cluster.
const (
	ClusterActive    = "active"
	ClusterSuspended = "suspended"
)

// AlterClusterRequest changes the limits that it names and, unless it is empty, the state.
type AlterClusterRequest struct {
	Name   kafka.ClusterID
	Limits []NamedLimit
	State  string
}

// AlterClusterResponse is the cluster as it is then.
type AlterClusterResponse struct {
	Cluster InklessClusterSummary
}

// RotateCredentialRequest names a cluster.
type RotateCredentialRequest struct {
	Name kafka.ClusterID
}

// RotateCredentialResponse has the new password, which nobody can read again.
type RotateCredentialResponse struct {
	Password string
}

// ListFeaturesRequest is empty.
type ListFeaturesRequest struct{}

// UpgradeFeaturesRequest raises the level; 0 asks for the highest that every node knows.
type UpgradeFeaturesRequest struct {
	Level int32
}

// ListFeaturesResponse has one row for each feature.
type ListFeaturesResponse struct {
	Features []FeatureRange
}

// FeatureRange is a feature's level and how far it can be raised.
type FeatureRange struct {
	Name  string
	Level int32 // in force
	Most  int32 // that every node knows
}

func appendLimits(b []byte, field int, limits []NamedLimit) []byte {
	for _, l := range limits {
		b = wire.AppendMessage(b, field, func(b []byte) []byte { return wire.AppendSint(wire.AppendString(b, 1, l.Name), 2, l.Value) })
	}
	return b
}

func decodeLimit(d *wire.Decoder, l *NamedLimit) {
	switch d.Field() {
	case 1:
		l.Name = d.String()
	case 2:
		l.Value = d.Sint()
	}
}

// Append implements Message.
func (r *AlterClusterRequest) Append(b []byte) []byte {
	b = appendLimits(wire.AppendString(b, 1, string(r.Name)), 2, r.Limits)
	return wire.AppendString(b, 3, r.State)
}

// Decode implements Message.
func (r *AlterClusterRequest) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		switch d.Field() {
		case 1:
			r.Name = kafka.ClusterID(d.String())
		case 2:
			r.Limits = embedded(d, r.Limits, decodeLimit)
		case 3:
			r.State = d.String()
		}
	})
}

// Append implements Message.
func (r *AlterClusterResponse) Append(b []byte) []byte {
	return wire.AppendMessage(b, 1, r.Cluster.append)
}

// Decode implements Message.
func (r *AlterClusterResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		if d.Field() == 1 {
			d.Embedded(func(d *wire.Decoder) error {
				for d.Next() {
					decodeClusterSummary(d, &r.Cluster)
				}
				return d.Err()
			})
		}
	})
}

// Append implements Message.
func (r *RotateCredentialRequest) Append(b []byte) []byte {
	return wire.AppendString(b, 1, string(r.Name))
}

// Decode implements Message.
func (r *RotateCredentialRequest) Decode(b []byte) error { return decodeName(b, &r.Name) }

// Append implements Message.
func (r *RotateCredentialResponse) Append(b []byte) []byte {
	return wire.AppendString(b, 1, r.Password)
}

// Decode implements Message.
func (r *RotateCredentialResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		if d.Field() == 1 {
			r.Password = d.String()
		}
	})
}

// Append implements Message.
func (r *ListFeaturesRequest) Append(b []byte) []byte { return b }

// Decode implements Message.
func (r *ListFeaturesRequest) Decode(b []byte) error { return decode(b, func(*wire.Decoder) {}) }

// Append implements Message.
func (r *UpgradeFeaturesRequest) Append(b []byte) []byte {
	return wire.AppendSint(b, 1, int64(r.Level))
}

// Decode implements Message.
func (r *UpgradeFeaturesRequest) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		if d.Field() == 1 {
			r.Level = int32(d.Sint())
		}
	})
}

// Append implements Message.
func (r *ListFeaturesResponse) Append(b []byte) []byte {
	for _, f := range r.Features {
		b = wire.AppendMessage(b, 1, func(b []byte) []byte {
			b = wire.AppendString(b, 1, f.Name)
			b = wire.AppendSint(b, 2, int64(f.Level))
			return wire.AppendSint(b, 3, int64(f.Most))
		})
	}
	return b
}

// Decode implements Message.
func (r *ListFeaturesResponse) Decode(b []byte) error {
	return decode(b, func(d *wire.Decoder) {
		if d.Field() == 1 {
			r.Features = embedded(d, r.Features, func(d *wire.Decoder, f *FeatureRange) {
				switch d.Field() {
				case 1:
					f.Name = d.String()
				case 2:
					f.Level = int32(d.Sint())
				case 3:
					f.Most = int32(d.Sint())
				}
			})
		}
	})
}
