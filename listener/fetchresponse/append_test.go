package fetchresponse

import (
	"bytes"
	"net"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// Twin: the same content through kmsg's own encoder gives the same bytes.
func TestEqualsKmsg(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		resp := drawResponse(t)
		want := resp.AppendTo(nil)

		pieces := map[[2]int][][]byte{}
		for ti := range resp.Topics {
			for pi := range resp.Topics[ti].Partitions {
				p := &resp.Topics[ti].Partitions[pi]
				if p.RecordBatches != nil && rapid.Bool().Draw(t, "split") {
					pieces[[2]int{ti, pi}] = split(t, p.RecordBatches)
					p.RecordBatches = nil
				}
			}
		}
		prefix := net.Buffers{[]byte("prefix")}
		got := Append(prefix, resp, func(ti, pi int) [][]byte { return pieces[[2]int{ti, pi}] })
		for _, b := range got {
			if len(b) == 0 {
				t.Fatal("an empty slice costs a place in a writev")
			}
		}
		if joined := bytes.Join(got, nil); !bytes.Equal(joined, append([]byte("prefix"), want...)) {
			t.Fatalf("version %d:\n got %x\nwant %x", resp.Version, joined[6:], want)
		}
	})
}

func TestRecordsAreNotCopied(t *testing.T) {
	resp := kmsg.NewPtrFetchResponse()
	resp.Version = 17
	resp.Topics = []kmsg.FetchResponseTopic{{Partitions: []kmsg.FetchResponseTopicPartition{kmsg.NewFetchResponseTopicPartition()}}}
	record := []byte("some records")
	got := Append(nil, resp, func(int, int) [][]byte { return [][]byte{record, nil, record} })
	if len(got) != 4 || &got[1][0] != &record[0] || &got[2][0] != &record[0] {
		t.Fatalf("want head, the caller's two slices, tail; got %d buffers", len(got))
	}
}

func split(t *rapid.T, b []byte) [][]byte {
	out := [][]byte{}
	for len(b) > 0 {
		n := rapid.IntRange(0, len(b)).Draw(t, "piece")
		out, b = append(out, b[:n]), b[n:]
	}
	return out
}

func drawTags(t *rapid.T) (tags kmsg.Tags) {
	for range rapid.SampledFrom([]int{0, 0, 0, 1, 3}).Draw(t, "tags") {
		tags.Set(rapid.Uint32Range(10, 1<<20).Draw(t, "tag"), rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "tagValue"))
	}
	return tags
}

func drawResponse(t *rapid.T) *kmsg.FetchResponse {
	resp := kmsg.NewPtrFetchResponse()
	resp.Version = rapid.Int16Range(MinVersion, MaxVersion).Draw(t, "version")
	resp.ThrottleMillis = rapid.Int32().Draw(t, "throttle")
	resp.ErrorCode = rapid.Int16().Draw(t, "error")
	resp.SessionID = rapid.Int32().Draw(t, "session")
	resp.UnknownTags = drawTags(t)
	for range rapid.SampledFrom([]int{0, 0, 1, 130}).Draw(t, "brokers") {
		n := kmsg.NewFetchResponseBroker()
		n.NodeID, n.Port = rapid.Int32().Draw(t, "node"), rapid.Int32().Draw(t, "port")
		n.Host = rapid.String().Draw(t, "host")
		if rapid.Bool().Draw(t, "hasRack") {
			n.Rack = kmsg.StringPtr(rapid.String().Draw(t, "rack"))
		}
		resp.Brokers = append(resp.Brokers, n)
	}
	for range rapid.IntRange(0, 3).Draw(t, "topics") {
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic = rapid.String().Draw(t, "topic")
		copy(topic.TopicID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "topicID"))
		topic.UnknownTags = drawTags(t)
		for range rapid.IntRange(0, 3).Draw(t, "partitions") {
			topic.Partitions = append(topic.Partitions, drawPartition(t))
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

func drawPartition(t *rapid.T) kmsg.FetchResponseTopicPartition {
	p := kmsg.NewFetchResponseTopicPartition()
	p.Partition, p.ErrorCode = rapid.Int32().Draw(t, "partition"), rapid.Int16().Draw(t, "partitionError")
	p.HighWatermark, p.LastStableOffset = rapid.Int64().Draw(t, "hw"), rapid.Int64().Draw(t, "lso")
	p.LogStartOffset, p.PreferredReadReplica = rapid.Int64().Draw(t, "start"), rapid.Int32().Draw(t, "preferred")
	p.UnknownTags = drawTags(t)
	if rapid.Bool().Draw(t, "hasAborted") {
		p.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{}
		for range rapid.IntRange(0, 3).Draw(t, "aborted") {
			p.AbortedTransactions = append(p.AbortedTransactions, kmsg.FetchResponseTopicPartitionAbortedTransaction{
				ProducerID: rapid.Int64().Draw(t, "pid"), FirstOffset: rapid.Int64().Draw(t, "first"), UnknownTags: drawTags(t)})
		}
	}
	if rapid.Bool().Draw(t, "diverging") {
		p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset, p.DivergingEpoch.UnknownTags = rapid.Int32().Draw(t, "e"), rapid.Int64().Draw(t, "o"), drawTags(t)
	}
	if rapid.Bool().Draw(t, "leader") {
		p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch, p.CurrentLeader.UnknownTags = rapid.Int32().Draw(t, "l"), rapid.Int32().Draw(t, "le"), drawTags(t)
	}
	if rapid.Bool().Draw(t, "snapshot") {
		p.SnapshotID.EndOffset, p.SnapshotID.Epoch, p.SnapshotID.UnknownTags = rapid.Int64().Draw(t, "so"), rapid.Int32().Draw(t, "se"), drawTags(t)
	}
	if rapid.Bool().Draw(t, "hasRecords") {
		p.RecordBatches = rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "records")
	}
	return p
}
