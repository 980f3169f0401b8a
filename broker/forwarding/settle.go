package forwarding

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A request of an administrator whose answer was lost, as the controller's are that died, is made again. Then a refusal may only say that the first one did
// it: that a topic exists, when this broker's view had none of that name before, is success. Two administrators who create one topic in that moment may both be told so.

// view is what the image said of the topics of a request before it was sent.
type view struct {
	partitions map[string]int32  // by topic; 0: no such topic
	ids        map[[16]byte]bool // of topics that there were
	counts     map[string]int32  // that CreatePartitions asks for
}

// lookBefore gives the view by which a repetition is understood; nil for requests that are not repeated.
func (f *Forwarder) lookBefore(req kmsg.Request) *view {
	v := &view{partitions: map[string]int32{}, ids: map[[16]byte]bool{}, counts: map[string]int32{}}
	look := func(topic string) { v.partitions[topic] = f.cfg.Image.Partitions(topic) }
	switch req := req.(type) {
	case *kmsg.CreateTopicsRequest:
		for i := range req.Topics {
			look(req.Topics[i].Topic)
		}
	case *kmsg.DeleteTopicsRequest:
		for _, name := range req.TopicNames {
			look(name)
		}
		for i := range req.Topics {
			if t := &req.Topics[i]; t.Topic != nil {
				look(*t.Topic)
			} else {
				v.ids[t.TopicID] = f.cfg.Image.HasTopicID(t.TopicID)
			}
		}
	case *kmsg.CreatePartitionsRequest:
		for i := range req.Topics {
			look(req.Topics[i].Topic)
			v.counts[req.Topics[i].Topic] = req.Topics[i].Count
		}
	default:
		return nil
	}
	return v
}

// settle turns what a repetition says into what the request did.
func (f *Forwarder) settle(ctx context.Context, v *view, resp kmsg.Response) {
	switch resp := resp.(type) {
	case *kmsg.CreateTopicsResponse:
		for i := range resp.Topics {
			if t := &resp.Topics[i]; t.ErrorCode == kerr.TopicAlreadyExists.Code && v.partitions[t.Topic] == 0 {
				f.until(ctx, func() bool { return f.cfg.Image.Partitions(t.Topic) > 0 })
				t.ErrorCode, t.ErrorMessage = 0, nil
			}
		}
	case *kmsg.DeleteTopicsResponse:
		for i := range resp.Topics {
			t := &resp.Topics[i]
			gone := t.ErrorCode == kerr.UnknownTopicOrPartition.Code && t.Topic != nil && v.partitions[*t.Topic] > 0 ||
				t.ErrorCode == kerr.UnknownTopicID.Code && v.ids[t.TopicID]
			if gone {
				f.until(ctx, func() bool {
					return !(t.Topic != nil && f.cfg.Image.Partitions(*t.Topic) > 0) && !f.cfg.Image.HasTopicID(t.TopicID)
				})
				t.ErrorCode, t.ErrorMessage = 0, nil
			}
		}
	case *kmsg.CreatePartitionsResponse:
		for i := range resp.Topics {
			t := &resp.Topics[i]
			if t.ErrorCode == kerr.InvalidPartitions.Code && v.partitions[t.Topic] > 0 && v.partitions[t.Topic] < v.counts[t.Topic] &&
				f.until(ctx, func() bool { return f.cfg.Image.Partitions(t.Topic) == v.counts[t.Topic] }) {
				t.ErrorCode, t.ErrorMessage = 0, nil
			}
		}
	}
}

// settleTimeout is how long the image may take to show what was done.
const settleTimeout = 2 * time.Second

// until waits for the image and says whether it shows what is looked for.
func (f *Forwarder) until(ctx context.Context, shows func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	for {
		changed := f.cfg.Image.Changed()
		if shows() {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}
