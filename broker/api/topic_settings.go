package api

import (
	"github.com/inkwell-project/inkwell/clusterimage"
	"github.com/inkwell-project/inkwell/kafka/configs"
	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/topics"
)

// topicSettings is what handlers need of a topic's effective settings. The image has them resolved: nothing is parsed for a request.
type topicSettings struct {
	limits        recordbatch.Limits // NowMillis is filled in for each request
	compactedOnly bool               // cleanup.policy is compact alone
}

func (h *Handlers) settings(image *clusterimage.Image, t *topics.Topic) topicSettings {
	return settingsOf(image.TopicSettings(t))
}

func settingsOf(s *configs.TopicSettings) topicSettings {
	return topicSettings{
		limits: recordbatch.Limits{
			MaxMessageBytes: s.MaxMessageBytes, LogAppendTime: s.LogAppendTime, Compacted: s.Compact,
			TimestampBeforeMaxMillis: s.TimestampBeforeMaxMillis, TimestampAfterMaxMillis: s.TimestampAfterMaxMillis,
		},
		compactedOnly: s.Compact && !s.Delete,
	}
}
