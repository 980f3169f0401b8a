package fetchresponse

import (
	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Tagged fields: a count, then each as tag, size and bytes, in the order of the tags.

func (e *encoder) tags(unknown *kmsg.Tags) {
	if e.flexible {
		e.scratch = appendTags(e.scratch, unknown)
	}
}

func appendTags(b []byte, unknown *kmsg.Tags) []byte {
	b = kbin.AppendUvarint(b, uint32(unknown.Len()))
	return unknown.AppendEach(b)
}

func appendTag(b []byte, tag uint32, value []byte) []byte {
	b = kbin.AppendUvarint(b, tag)
	b = kbin.AppendUvarint(b, uint32(len(value)))
	return append(b, value...)
}

// partitionTags writes the fields that differ from their defaults, as kmsg and Kafka do.
func (e *encoder) partitionTags(p *kmsg.FetchResponseTopicPartition) {
	if !e.flexible {
		return
	}
	diverging := p.DivergingEpoch.Epoch != -1 || p.DivergingEpoch.EndOffset != -1 || p.DivergingEpoch.UnknownTags.Len() > 0
	leader := p.CurrentLeader.LeaderID != -1 || p.CurrentLeader.LeaderEpoch != -1 || p.CurrentLeader.UnknownTags.Len() > 0
	snapshot := p.SnapshotID.EndOffset != -1 || p.SnapshotID.Epoch != -1 || p.SnapshotID.UnknownTags.Len() > 0
	count := p.UnknownTags.Len()
	for _, set := range []bool{diverging, leader, snapshot} {
		if set {
			count++
		}
	}
	e.scratch = kbin.AppendUvarint(e.scratch, uint32(count))
	var value [64]byte
	if diverging {
		v := kbin.AppendInt32(value[:0], p.DivergingEpoch.Epoch)
		v = kbin.AppendInt64(v, p.DivergingEpoch.EndOffset)
		e.scratch = appendTag(e.scratch, 0, appendTags(v, &p.DivergingEpoch.UnknownTags))
	}
	if leader {
		v := kbin.AppendInt32(value[:0], p.CurrentLeader.LeaderID)
		v = kbin.AppendInt32(v, p.CurrentLeader.LeaderEpoch)
		e.scratch = appendTag(e.scratch, 1, appendTags(v, &p.CurrentLeader.UnknownTags))
	}
	if snapshot {
		v := kbin.AppendInt64(value[:0], p.SnapshotID.EndOffset)
		v = kbin.AppendInt32(v, p.SnapshotID.Epoch)
		e.scratch = appendTag(e.scratch, 2, appendTags(v, &p.SnapshotID.UnknownTags))
	}
	e.scratch = p.UnknownTags.AppendEach(e.scratch)
}

// responseTags writes the node endpoints (v16+ clients use them, kmsg writes them in any flexible version).
func (e *encoder) responseTags(resp *kmsg.FetchResponse) {
	if !e.flexible {
		return
	}
	if len(resp.Brokers) == 0 {
		e.tags(&resp.UnknownTags)
		return
	}
	e.scratch = kbin.AppendUvarint(e.scratch, uint32(1+resp.UnknownTags.Len()))
	v := kbin.AppendCompactArrayLen(nil, len(resp.Brokers))
	for i := range resp.Brokers {
		n := &resp.Brokers[i]
		v = kbin.AppendInt32(v, n.NodeID)
		v = kbin.AppendCompactString(v, n.Host)
		v = kbin.AppendInt32(v, n.Port)
		v = kbin.AppendCompactNullableString(v, n.Rack)
		v = appendTags(v, &n.UnknownTags)
	}
	e.scratch = appendTag(e.scratch, 0, v)
	e.scratch = resp.UnknownTags.AppendEach(e.scratch)
}
