package controller

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/metadata/controller/state"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/topics"
)

// growth is one topic of a CreatePartitions.
type growth struct {
	more state.MorePartitions
	err  state.Error
}

// createPartitions answers CreatePartitions v0-3.
func (c *Controller) createPartitions(ctx context.Context, req *kmsg.CreatePartitionsRequest) (*kmsg.CreatePartitionsResponse, int64, error) {
	asked, named := onceByName(req.Topics, func(t *kmsg.CreatePartitionsRequestTopic) string { return t.Topic })
	growths := make([]growth, len(asked))
	if err := c.read(ctx, func(r statestore.Reader) {
		brokers := state.Brokers(r)
		for i := range asked {
			if growths[i].err = duplicateName(named[asked[i].Topic]); growths[i].err.Err == nil {
				growths[i] = c.growth(r, &asked[i], brokers)
			}
		}
	}); err != nil {
		return nil, noOffset, err
	}
	offset := noOffset
	if !req.ValidateOnly {
		var err error
		if offset, err = c.proposeGrowths(ctx, growths); err != nil {
			return nil, noOffset, err
		}
	}
	resp := req.ResponseKind().(*kmsg.CreatePartitionsResponse)
	for i, g := range growths {
		rt := kmsg.NewCreatePartitionsResponseTopic()
		rt.Topic, rt.ErrorCode, rt.ErrorMessage = asked[i].Topic, code(g.err), message(g.err)
		resp.Topics = append(resp.Topics, rt)
	}
	return resp, offset, nil
}

func (c *Controller) growth(r statestore.Reader, t *kmsg.CreatePartitionsRequestTopic, brokers []*topics.Broker) growth {
	if t.Count > c.cfg.MaxPartitionsPerTopic {
		return growth{err: refuse(kerr.InvalidPartitions, "%d partitions were asked for; a topic has at most %d here (topic.partitions.max).", t.Count, c.cfg.MaxPartitionsPerTopic)}
	}
	topic, _ := state.TopicByName(r, t.Topic)
	if err := state.CheckCreatePartitions(r, topic, t.Count, c.maxPartitions()); err.Err != nil {
		return growth{err: err}
	}
	if t.Assignment != nil {
		if added := int(t.Count) - len(topic.Coordinators); added != len(t.Assignment) {
			return growth{err: refuse(kerr.InvalidReplicaAssignment, "Attempted to add %d additional partition(s), but only %d assignment(s) were specified.", added, len(t.Assignment))}
		}
		for _, a := range t.Assignment {
			if err := checkReplicas(a.Replicas, brokers); err.Err != nil {
				return growth{err: err}
			}
		}
	}
	return growth{more: state.MorePartitions{ID: topic.ID, Count: t.Count}}
}

func (c *Controller) proposeGrowths(ctx context.Context, growths []growth) (int64, error) {
	cmd := &state.CreatePartitions{Coordinators: c.batch.Load(), MaxPartitions: c.maxPartitions()}
	var asked []*growth
	for i := range growths {
		if g := &growths[i]; g.err.Err == nil {
			cmd.Topics, asked = append(cmd.Topics, g.more), append(asked, g)
		}
	}
	if len(asked) == 0 {
		return noOffset, nil
	}
	result, err := c.propose(ctx, cmd)
	if err != nil {
		return noOffset, err
	}
	for i, g := range asked {
		g.err = result.Errors[i]
	}
	return result.Offset, nil
}
