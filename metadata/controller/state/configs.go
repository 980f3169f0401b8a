package state

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/topics"
)

// ErrConflict says that a resource's settings are not what the leader saw when it decided on their change. It decides anew.
var ErrConflict = &kerr.Error{Message: "CONFLICT", Code: -100, Retriable: true, Description: "The settings changed meanwhile."}

func (c *change) setConfigs(cmd *SetConfigs) {
	for i := range cmd.Resources {
		c.answer(c.setConfig(&cmd.Resources[i]))
	}
}

func (c *change) setConfig(r *ConfigChange) Error {
	if r.Type == topics.ConfigTopic {
		if t, ok := TopicByName(c, r.Name); !ok || t.ID != r.TopicID {
			return refuse(kerr.UnknownTopicOrPartition, "%s", kerr.UnknownTopicOrPartition.Description)
		}
	}
	old := Settings(c, r.Type, r.Name)
	switch {
	case !slices.Equal(old, r.Old):
		return Error{Err: ErrConflict, Message: ErrConflict.Description}
	case slices.Equal(old, r.New):
	case len(r.New) == 0:
		c.remove(configKey(r.Type, r.Name), topics.MetadataKey{Kind: topics.KeyConfig, Type: r.Type, Name: r.Name})
	default:
		c.put(configKey(r.Type, r.Name), &topics.ConfigResource{Type: r.Type, Name: r.Name, Settings: r.New})
	}
	return Error{}
}
