package controller

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/controller/state"
	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// deletion is one topic of a DeleteTopics.
type deletion struct {
	name *string
	id   kafka.TopicID
	err  state.Error
}

// deleteTopics answers DeleteTopics v1-6, by name or by id.
func (c *Controller) deleteTopics(ctx context.Context, req *kmsg.DeleteTopicsRequest) (*kmsg.DeleteTopicsResponse, int64, error) {
	var deletions []deletion
	for _, name := range req.TopicNames {
		deletions = append(deletions, deletion{name: &name})
	}
	for _, t := range req.Topics {
		deletions = append(deletions, deletion{name: t.Topic, id: t.TopicID})
	}
	deletions = refuseNamedTwice(deletions)
	if err := c.read(ctx, func(r statestore.Reader) { deletions = resolveDeletions(r, deletions) }); err != nil {
		return nil, noOffset, err
	}
	offset, err := c.proposeDeletions(ctx, deletions)
	if err != nil {
		return nil, noOffset, err
	}
	resp := req.ResponseKind().(*kmsg.DeleteTopicsResponse)
	for _, d := range deletions {
		rt := kmsg.NewDeleteTopicsResponseTopic()
		rt.Topic, rt.TopicID, rt.ErrorCode, rt.ErrorMessage = d.name, d.id, code(d.err), message(d.err)
		resp.Topics = append(resp.Topics, rt)
	}
	return resp, offset, nil
}

// refuseNamedTwice leaves each name and each id once; what was named twice is refused, whether it exists or not.
func refuseNamedTwice(deletions []deletion) []deletion {
	type key struct {
		name string
		id   kafka.TopicID
	}
	first := map[key]int{}
	once := make([]deletion, 0, len(deletions))
	for _, d := range deletions {
		if d.name != nil == d.id.IsZero() { // either a name or an id
			k := key{id: d.id}
			if d.name != nil {
				k.name = *d.name
			}
			if at, twice := first[k]; twice {
				once[at].err = refuse(kerr.InvalidRequest, "Duplicate topic name or id.")
				continue
			}
			first[k] = len(once)
		}
		once = append(once, d)
	}
	return once
}

// resolveDeletions finds ids and names. A topic that is named by both, in two places, is refused, and answered once.
func resolveDeletions(r statestore.Reader, deletions []deletion) []deletion {
	first := map[kafka.TopicID]int{}
	once := make([]deletion, 0, len(deletions))
	for _, d := range deletions {
		if d.err.Err == nil {
			d.resolve(r)
		}
		if d.err.Err == nil {
			if at, twice := first[d.id]; twice {
				once[at].err = refuse(kerr.InvalidRequest, "The provided topic name maps to an ID that was already supplied.")
				continue
			}
			first[d.id] = len(once)
		}
		once = append(once, d)
	}
	return once
}

func (d *deletion) resolve(r statestore.Reader) {
	switch {
	case d.name != nil && !d.id.IsZero():
		d.err = refuse(kerr.InvalidRequest, "You may not specify both topic name and topic id.")
	case d.name != nil:
		if t, ok := state.TopicByName(r, *d.name); ok {
			d.id = t.ID
		} else {
			d.err = refuse(kerr.UnknownTopicOrPartition, "%s", kerr.UnknownTopicOrPartition.Description)
		}
	case d.id.IsZero():
		d.err = refuse(kerr.InvalidRequest, "Neither topic name nor id were specified.")
	default:
		if t, ok := state.TopicByID(r, d.id); ok {
			d.name = &t.Name
		} else {
			d.err = refuse(kerr.UnknownTopicID, "%s", kerr.UnknownTopicID.Description)
		}
	}
}

func (c *Controller) proposeDeletions(ctx context.Context, deletions []deletion) (int64, error) {
	cmd := &state.DeleteTopics{}
	var asked []*deletion
	for i := range deletions {
		if d := &deletions[i]; d.err.Err == nil {
			cmd.IDs, asked = append(cmd.IDs, d.id), append(asked, d)
		}
	}
	if len(asked) == 0 {
		return noOffset, nil
	}
	result, err := c.propose(ctx, cmd)
	if err != nil {
		return noOffset, err
	}
	for i, d := range asked {
		if d.err = result.Errors[i]; d.err.Err == nil {
			c.cfg.Logger.Info("deleted a topic", "cluster", c.cfg.Cluster, "topic", *d.name, "topic_id", d.id.String())
		}
	}
	return result.Offset, nil
}
