package compat

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestAbsurdValues asks for negative sizes, for isolation levels and epochs that there are none of, and for topics without partitions. Clients do not; but who writes
// one finds out what a broker makes of it, and Kafka's answers are not always the obvious ones.
func TestAbsurdValues(t *testing.T) {
	onEverySystem(t, func(t *testing.T, client *kgo.Client) {
		id := createRaw(t, client, "absurd")
		awaitCoordinator(t, client, "absurd")
		for i := range 3 {
			if code := produceCode(askRaw(t, client, rawProduce(id, 0, idempotent(74, 0, int32(i))))); code != 0 {
				t.Fatalf("produced with code %d", code)
			}
		}
		var c codes
		deleted := askRaw(t, client, rawDeleteRecords("absurd", 2)).(*kmsg.DeleteRecordsResponse).Topics[0].Partitions[0]
		if c.add(deleted.ErrorCode, " ", deleted.LowWatermark); c.String() != "[NONE 2]" {
			t.Fatalf("records deleted: %s", c)
		}
		wantAnswers(t, client, absurdFetches(id))
		wantAnswers(t, client, absurdOffsets(id))
		wantAnswers(t, client, absurdProduces(id))
		wantAnswers(t, client, []answerCase{{"the settings of a topic that cannot be", rawCreate(func(t *kmsg.CreateTopicsRequestTopic) { t.NumPartitions = 0 }), func(r kmsg.Response) string {
			return fmt.Sprintf("%#v", r.(*kmsg.CreateTopicsResponse).Topics[0].Configs)
		}, "[]kmsg.CreateTopicsResponseTopicConfig{}"}})
	})
}

// absurdFetches are about a partition whose records begin at 2 and end at 3.
func absurdFetches(id [16]byte) (cases []answerCase) {
	type partition = kmsg.FetchRequestTopicPartition
	for _, c := range []struct {
		name   string
		change func(*kmsg.FetchRequest, *partition)
		want   string
	}{
		{"all of it", func(*kmsg.FetchRequest, *partition) {}, "NONE [NONE 2 to 3, records]"},
		{"at most -1 bytes", func(r *kmsg.FetchRequest, _ *partition) { r.MaxBytes = -1 }, "NONE [UNKNOWN_SERVER_ERROR -1 to -1]"},
		{"at most 0 bytes", func(r *kmsg.FetchRequest, _ *partition) { r.MaxBytes = 0 }, "NONE [NONE 2 to 3, records]"},
		{"at least -1 bytes", func(r *kmsg.FetchRequest, _ *partition) { r.MinBytes = -1 }, "NONE [NONE 2 to 3, records]"},
		{"at most -1 bytes of the partition", func(_ *kmsg.FetchRequest, p *partition) { p.PartitionMaxBytes = -1 }, "NONE [UNKNOWN_SERVER_ERROR -1 to -1]"},
		{"at most -1 bytes at the end", func(_ *kmsg.FetchRequest, p *partition) { p.FetchOffset, p.PartitionMaxBytes = 3, -1 }, "NONE [NONE 2 to 3]"},
		{"at most -1 bytes before the start", func(_ *kmsg.FetchRequest, p *partition) { p.FetchOffset, p.PartitionMaxBytes = 1, -1 }, "NONE [OFFSET_OUT_OF_RANGE -1 to -1]"},
		{"at the end for -1 ms", func(r *kmsg.FetchRequest, p *partition) { p.FetchOffset, r.MaxWaitMillis = 3, -1 }, "NONE [NONE 2 to 3]"},
		{"isolation level 2", func(r *kmsg.FetchRequest, _ *partition) { r.IsolationLevel = 2 }, "UNKNOWN_SERVER_ERROR []"},
		{"isolation level -1", func(r *kmsg.FetchRequest, _ *partition) { r.IsolationLevel = -1 }, "UNKNOWN_SERVER_ERROR []"},
		{"after a record of epoch 5", func(_ *kmsg.FetchRequest, p *partition) { p.LastFetchedEpoch = 5 }, "NONE [OFFSET_OUT_OF_RANGE -1 to -1]"},
		{"after a record of epoch 0", func(_ *kmsg.FetchRequest, p *partition) { p.LastFetchedEpoch = 0 }, "NONE [NONE 2 to 3, records]"},
		{"after a record of epoch -5", func(_ *kmsg.FetchRequest, p *partition) { p.LastFetchedEpoch = -5 }, "NONE [NONE 2 to 3, records]"},
		{"by broker 5", func(r *kmsg.FetchRequest, _ *partition) { r.ReplicaState.ID = 5 }, "NONE [NOT_LEADER_FOR_PARTITION -1 to -1]"},
		{"partition -1", func(_ *kmsg.FetchRequest, p *partition) { p.Partition = -1 }, "NONE [UNKNOWN_TOPIC_OR_PARTITION -1 to -1]"},
	} {
		r := rawFetch(id, 0, 2, -1)
		c.change(r, &r.Topics[0].Partitions[0])
		cases = append(cases, answerCase{"fetch " + c.name, r, fetchedBounds, c.want})
	}
	r := rawFetch(id, 0, 0, -1)
	r.Topics[0].Partitions = nil
	return append(cases, answerCase{"fetch no partition of a topic", r, fetchedBounds, "NONE []"})
}

func fetchedBounds(r kmsg.Response) string {
	var whole, each codes
	resp := r.(*kmsg.FetchResponse)
	whole.add(resp.ErrorCode)
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			records := ""
			if len(p.RecordBatches) > 0 {
				records = ", records"
			}
			each.add(p.ErrorCode, " ", p.LogStartOffset, " to ", p.HighWatermark, records)
		}
	}
	return fmt.Sprint(whole[0], " ", each)
}

func absurdOffsets(id [16]byte) (cases []answerCase) {
	list := func(change func(*kmsg.ListOffsetsRequest)) kmsg.Request {
		r := rawList("absurd", -1).(*kmsg.ListOffsetsRequest)
		change(r)
		return r
	}
	listed := func(r kmsg.Response) string {
		var c codes
		for _, t := range r.(*kmsg.ListOffsetsResponse).Topics {
			c = append(c, t.Topic)
			for _, p := range t.Partitions {
				c.add(p.ErrorCode, " ", p.Offset)
			}
		}
		return c.String()
	}
	cases = []answerCase{
		{"list at isolation level 2", list(func(r *kmsg.ListOffsetsRequest) { r.IsolationLevel = 2 }), listed, "[absurd UNKNOWN_SERVER_ERROR -1]"},
		{"list at isolation level -1", list(func(r *kmsg.ListOffsetsRequest) { r.IsolationLevel = -1 }), listed, "[absurd UNKNOWN_SERVER_ERROR -1]"},
		{"list no partition of a topic", list(func(r *kmsg.ListOffsetsRequest) { r.Topics[0].Partitions = nil }), listed, "[]"},
	}
	for epoch, want := range map[int32]string{-5: "[NONE -5 2]", -2: "[NONE -2 2]", -1: "[NONE -1 -1]", 0: "[NONE 0 3]", 1: "[NONE -1 -1]"} {
		r := rawEpoch("absurd", -1).(*kmsg.OffsetForLeaderEpochRequest)
		r.Topics[0].Partitions[0].LeaderEpoch = epoch
		cases = append(cases, answerCase{fmt.Sprint("end of epoch ", epoch), r, func(r kmsg.Response) string {
			var c codes
			p := r.(*kmsg.OffsetForLeaderEpochResponse).Topics[0].Partitions[0]
			c.add(p.ErrorCode, " ", p.LeaderEpoch, " ", p.EndOffset)
			return c.String()
		}, want})
	}
	commit := func(topic [16]byte) kmsg.Request {
		r := rawCommit("absurd", "", -1, topic).(*kmsg.OffsetCommitRequest)
		r.Topics[0].Partitions = nil
		return r
	}
	committed := func(r kmsg.Response) string {
		var c codes
		for _, t := range r.(*kmsg.OffsetCommitResponse).Topics {
			c = append(c, fmt.Sprint(len(t.Partitions), " partitions"))
		}
		return c.String()
	}
	return append(cases,
		answerCase{"commit no partition of a topic", commit(id), committed, "[]"},
		answerCase{"commit no partition of an unknown topic", commit(unknownID), committed, "[0 partitions]"})
}

func absurdProduces(id [16]byte) []answerCase {
	produced := func(r kmsg.Response) string {
		var c codes
		for _, t := range r.(*kmsg.ProduceResponse).Topics {
			for _, p := range t.Partitions {
				c.add(p.ErrorCode, " ", p.BaseOffset, ", log start ", p.LogStartOffset)
			}
		}
		return fmt.Sprint(len(r.(*kmsg.ProduceResponse).Topics), " topics ", c)
	}
	none := rawProduce(id, 0, nil).(*kmsg.ProduceRequest)
	none.Topics[0].Partitions = nil
	return []answerCase{
		{"produce no partition of a topic", none, produced, "0 topics []"},
		{"produce what a sequence leaves out", rawProduce(id, 0, idempotent(74, 0, 7)), produced, "1 topics [OUT_OF_ORDER_SEQUENCE_NUMBER -1, log start 2]"},
		{"produce a corrupt batch", rawProduce(id, 0, corrupt(oneBatch())), produced, "1 topics [CORRUPT_MESSAGE -1, log start -1]"},
		{"produce again", rawProduce(id, 0, idempotent(74, 0, 2)), produced, "1 topics [NONE 2, log start 2]"},
		{"produce in time", rawProduce(id, 0, idempotent(74, 0, 3)), produced, "1 topics [NONE 3, log start 2]"},
	}
}
