package state

import (
	"fmt"

	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/raftlog"
	"github.com/inkwell-project/inkwell/topics"
)

// newestVersion of a command that this release knows. A command's version is the feature level of the Metadata cluster from which on it may be proposed, so that
// who does not know it can say what is needed.
const newestVersion = uint64(topics.NewestFeatureLevel)

// Command is one of the commands below.
type Command interface {
	field() int
	// level of topics.MetadataFeature from which on the command may be proposed
	level() int32
	append(b []byte) []byte
}

// CreateCluster makes an Inkless cluster and places its partitions.
type CreateCluster struct {
	Name              kafka.ClusterID
	UUID              string
	BatchCoordinators int32
	GroupCoordinators int32
	Credential        topics.ScramCredential
	Voters            []int32 // nodes that hold each of its partitions
}

// DeleteCluster ends a cluster. Its record stays, so that its name is never used again.
type DeleteCluster struct {
	Name kafka.ClusterID
}

// RegisterNode says where a metadata node is.
type RegisterNode struct {
	Node topics.Node
}

func (*CreateCluster) field() int { return 3 }
func (*DeleteCluster) field() int { return 4 }
func (*RegisterNode) field() int  { return 5 }

func (*CreateCluster) level() int32 { return topics.FeatureLevel1 }
func (*DeleteCluster) level() int32 { return topics.FeatureLevel1 }
func (*RegisterNode) level() int32  { return topics.FeatureLevel1 }

func (c *CreateCluster) append(b []byte) []byte {
	b = wire.AppendString(b, 1, string(c.Name))
	b = wire.AppendString(b, 2, c.UUID)
	b = wire.AppendSint(b, 3, int64(c.BatchCoordinators))
	b = wire.AppendSint(b, 4, int64(c.GroupCoordinators))
	b = wire.AppendBytes(b, 5, c.Credential.Salt)
	b = wire.AppendSint(b, 6, int64(c.Credential.Iterations))
	b = wire.AppendBytes(b, 7, c.Credential.StoredKey)
	b = wire.AppendBytes(b, 8, c.Credential.ServerKey)
	return wire.AppendPackedSint(b, 9, c.Voters)
}

func (c *CreateCluster) decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.Name = kafka.ClusterID(d.String())
		case 2:
			c.UUID = d.String()
		case 3:
			c.BatchCoordinators = int32(d.Sint())
		case 4:
			c.GroupCoordinators = int32(d.Sint())
		case 5:
			c.Credential.Salt = append([]byte(nil), d.Bytes()...)
		case 6:
			c.Credential.Iterations = int32(d.Sint())
		case 7:
			c.Credential.StoredKey = append([]byte(nil), d.Bytes()...)
		case 8:
			c.Credential.ServerKey = append([]byte(nil), d.Bytes()...)
		case 9:
			c.Voters = wire.PackedSint(d, c.Voters)
		}
	}
	return d.Err()
}

func (c *DeleteCluster) append(b []byte) []byte { return wire.AppendString(b, 1, string(c.Name)) }

func (c *DeleteCluster) decode(d *wire.Decoder) error {
	for d.Next() {
		if d.Field() == 1 {
			c.Name = kafka.ClusterID(d.String())
		}
	}
	return d.Err()
}

// append carries the node as the record that it becomes.
func (c *RegisterNode) append(b []byte) []byte {
	return wire.AppendBytes(b, 1, topics.AppendClusterMetadata(nil, &c.Node))
}

func (c *RegisterNode) decode(d *wire.Decoder) error {
	for d.Next() {
		if d.Field() != 1 {
			continue
		}
		record, err := topics.DecodeClusterMetadata(d.Bytes())
		if err != nil {
			return err
		}
		node, ok := record.(*topics.Node)
		if !ok {
			return fmt.Errorf("a %T in place of a node: %w", record, topics.ErrCorrupt)
		}
		c.Node = *node
	}
	return d.Err()
}

// Encode writes a command with the leader's time.
func Encode(nowMillis int64, c Command) []byte {
	b := wire.AppendUint(nil, 1, uint64(c.level()))
	b = wire.AppendSint(b, 2, nowMillis)
	return wire.AppendMessage(b, c.field(), c.append)
}

// embed decodes the current field into c.
func embed[C interface {
	Command
	decode(d *wire.Decoder) error
}](d *wire.Decoder, c C) C {
	d.Embedded(c.decode)
	return c
}

// newerCommand halts a replica: to skip the command would fork it from the others.
func newerCommand(version, newest uint64) error {
	return fmt.Errorf("a command of %s needs a release that knows level %d of %s, this one knows up to %d; start this node with a newer release: %w",
		topics.ClusterMetadata, version, topics.MetadataFeature, newest, raftlog.ErrHalt)
}

// Decode reads what Encode wrote; an error wraps raftlog.ErrHalt.
func Decode(b []byte) (nowMillis int64, c Command, err error) {
	d := wire.NewDecoder(b)
	for d.Next() {
		switch d.Field() {
		case 1:
			if v := d.Uint(); v > newestVersion {
				return 0, nil, newerCommand(v, newestVersion)
			}
		case 2:
			nowMillis = d.Sint()
		case 3:
			create := &CreateCluster{}
			d.Embedded(create.decode)
			c = create
		case 4:
			remove := &DeleteCluster{}
			d.Embedded(remove.decode)
			c = remove
		case 5:
			node := &RegisterNode{}
			d.Embedded(node.decode)
			c = node
		case 6:
			c = embed(d, &InitCluster{})
		case 7:
			c = embed(d, &SetNodeState{})
		case 8:
			c = embed(d, &PlanMoves{})
		case 9:
			c = embed(d, &CompleteMove{})
		case 10:
			c = embed(d, &SetClusterNodes{})
		case 11:
			c = embed(d, &AddBatchCoordinators{})
		case 12:
			c = embed(d, &LoseNode{})
		case 20:
			alter := &AlterCluster{}
			d.Embedded(alter.decode)
			c = alter
		case 21:
			feature := &SetFeatureLevel{}
			d.Embedded(feature.decode)
			c = feature
		}
	}
	if err := d.Err(); err != nil {
		return 0, nil, fmt.Errorf("__cluster_metadata command: %w: %w", err, raftlog.ErrHalt)
	}
	if c == nil {
		return 0, nil, fmt.Errorf("__cluster_metadata command of a kind that this release does not know: %w", raftlog.ErrHalt)
	}
	return nowMillis, c, nil
}
