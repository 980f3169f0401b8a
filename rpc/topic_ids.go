package rpc

import (
	"github.com/twmb/franz-go/pkg/kmsg"
)

const topicIDBytes = 16

// AppendTopicIDs encodes the topic ids of a proxied request for its Envelope, in the order of its topics; nil for requests that have none. The versions that are proxied
// name topics by name, as coordinators do, and have no field for the id.
func AppendTopicIDs(b []byte, req kmsg.Request) []byte {
	for _, id := range topicIDs(req) {
		b = append(b, id[:]...)
	}
	return b
}

// SetTopicIDs puts what AppendTopicIDs encoded back into the request. Ids that do not fit its topics are passed over.
func SetTopicIDs(req kmsg.Request, b []byte) {
	ids := topicIDs(req)
	if len(b) != len(ids)*topicIDBytes {
		return
	}
	for i, id := range ids {
		copy(id[:], b[i*topicIDBytes:])
	}
}

func topicIDs(req kmsg.Request) (ids []*[topicIDBytes]byte) {
	switch req := req.(type) {
	case *kmsg.OffsetCommitRequest:
		for i := range req.Topics {
			ids = append(ids, &req.Topics[i].TopicID)
		}
	case *kmsg.OffsetFetchRequest:
		for i := range req.Groups {
			for j := range req.Groups[i].Topics {
				ids = append(ids, &req.Groups[i].Topics[j].TopicID)
			}
		}
	}
	return ids
}
