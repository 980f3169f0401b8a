package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka/recordbatch"
)

// A Produce that names a partition twice is a mistake that no client makes. Kafka gathers batches by partition: the last one that has the form of a batch is appended,
// the others are gone without a word, and the answer is one for each partition. Where one of them had no such form, that is the answer, though another was appended.

// producedTopic is a topic of a Produce, by name or, from v13 on, by id.
type producedTopic struct {
	name string
	id   [16]byte
}

type producedPartition struct {
	producedTopic
	partition int32
}

func topicOfProduced(t *kmsg.ProduceRequestTopic) producedTopic {
	return producedTopic{t.Topic, t.TopicID}
}

// spoiled has the error of partitions of which one batch was none.
type spoiled map[producedPartition]error

func (s spoiled) of(t *kmsg.ProduceRequestTopic, partition int32) error {
	if len(s) == 0 {
		return nil
	}
	return s[producedPartition{topicOfProduced(t), partition}]
}

// producedOnce gives the topics of a Produce with each partition once, in the order in which they were named first.
func producedOnce(req *kmsg.ProduceRequest) ([]kmsg.ProduceRequestTopic, spoiled) {
	if !namesTwice(req) {
		return req.Topics, nil
	}
	var once []kmsg.ProduceRequestTopic
	topicAt := map[producedTopic]int{}
	type place struct {
		partition int
		formed    bool // what is there now has the form of a batch
	}
	places := map[producedPartition]place{}
	times := map[producedPartition]int{}
	bad := spoiled{}
	for i := range req.Topics {
		t := &req.Topics[i]
		at, ok := topicAt[topicOfProduced(t)]
		if !ok {
			at = len(once)
			topicAt[topicOfProduced(t)] = at
			merged := *t
			merged.Partitions = nil
			once = append(once, merged)
		}
		for _, p := range t.Partitions {
			key := producedPartition{topicOfProduced(t), p.Partition}
			_, err := recordbatch.Single(p.Records, req.Version)
			if err != nil {
				bad[key] = err
			}
			times[key]++
			there, ok := places[key]
			switch {
			case !ok:
				places[key] = place{len(once[at].Partitions), err == nil}
				once[at].Partitions = append(once[at].Partitions, p)
			case err == nil || !there.formed:
				once[at].Partitions[there.partition].Records = p.Records
				places[key] = place{there.partition, err == nil}
			}
		}
	}
	for key := range bad {
		if times[key] == 1 { // is refused like any other
			delete(bad, key)
		}
	}
	return once, bad
}

// namesTwice says whether a topic or a partition is named twice. Most requests have one topic, or partitions in order, and cost nothing here.
func namesTwice(req *kmsg.ProduceRequest) bool {
	var topics map[producedTopic]bool
	if len(req.Topics) > 1 {
		topics = make(map[producedTopic]bool, len(req.Topics))
	}
	for i := range req.Topics {
		t := &req.Topics[i]
		if topics != nil {
			if topics[topicOfProduced(t)] {
				return true
			}
			topics[topicOfProduced(t)] = true
		}
		ascending := true
		for j := 1; j < len(t.Partitions); j++ {
			ascending = ascending && t.Partitions[j-1].Partition < t.Partitions[j].Partition
		}
		if ascending {
			continue
		}
		partitions := make(map[int32]bool, len(t.Partitions))
		for j := range t.Partitions {
			if partitions[t.Partitions[j].Partition] {
				return true
			}
			partitions[t.Partitions[j].Partition] = true
		}
	}
	return false
}
