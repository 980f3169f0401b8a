package groupcoordinator

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/rpc"
)

// Version 10 names topics by id. An offset of an earlier topic of the same name is not the new topic's; an id that nobody could translate is an
// error of its partitions alone.
func TestTopicIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(t, Settings{})
		defer s.close()
		handle := func(req kmsg.Request) kmsg.Response {
			resp, err := s.c.Handle(context.Background(), rpc.Client{}, req)
			if err != nil {
				t.Fatal(err)
			}
			if resp.GetVersion() != req.GetVersion() {
				t.Errorf("the answer has version %d", resp.GetVersion())
			}
			return resp
		}
		commit := kmsg.NewPtrOffsetCommitRequest()
		commit.Version, commit.Group, commit.Generation = 10, "g", -1
		for _, topic := range []string{"orders", ""} {
			rt, p := kmsg.NewOffsetCommitRequestTopic(), kmsg.NewOffsetCommitRequestTopicPartition()
			rt.Topic, rt.TopicID, p.Offset = topic, [16]byte{1}, 7
			rt.Partitions = append(rt.Partitions, p)
			commit.Topics = append(commit.Topics, rt)
		}
		committed := handle(commit).(*kmsg.OffsetCommitResponse).Topics
		if committed[0].Partitions[0].ErrorCode != 0 || committed[1].Partitions[0].ErrorCode != kerr.UnknownTopicID.Code || committed[0].TopicID != commit.Topics[0].TopicID {
			t.Fatalf("%+v", committed)
		}
		for _, c := range []struct {
			topic string
			id    byte
			want  int64
			code  int16
		}{{"orders", 1, 7, 0}, {"orders", 2, -1, 0}, {"orders", 0, 7, 0}, {"", 1, -1, kerr.UnknownTopicID.Code}} {
			fetch := kmsg.NewPtrOffsetFetchRequest()
			fetch.Version = 10
			g, rt := kmsg.NewOffsetFetchRequestGroup(), kmsg.NewOffsetFetchRequestGroupTopic()
			g.Group, rt.Topic, rt.TopicID, rt.Partitions = "g", c.topic, [16]byte{c.id}, []int32{0}
			g.Topics = append(g.Topics, rt)
			fetch.Groups = append(fetch.Groups, g)
			got := handle(fetch).(*kmsg.OffsetFetchResponse).Groups[0].Topics[0]
			if p := got.Partitions[0]; p.Offset != c.want || p.ErrorCode != c.code || got.TopicID != rt.TopicID {
				t.Errorf("%+v: %+v", c, got)
			}
		}
		if _, err := s.c.Handle(context.Background(), rpc.Client{}, kmsg.NewPtrMetadataRequest()); err == nil {
			t.Error("took a request that is not for it")
		}
	})
}
