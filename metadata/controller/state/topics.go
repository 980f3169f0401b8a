package state

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/topics"
)

// CheckCreateTopic says what CreateTopics would answer for one topic, as the state stands. The leader answers validate_only requests with it.
func CheckCreateTopic(r statestore.Reader, name string, partitions int32, maxPartitions int64) Error {
	if _, exists := r.Get(nameKey(name)); exists {
		return refuse(kerr.TopicAlreadyExists, "Topic '%s' already exists.", name)
	}
	if other, collides := Colliding(r, name); collides {
		return refuse(kerr.InvalidTopicException, "Topic '%s' collides with existing topic: %s", name, other)
	}
	return checkLimit(r, partitions, maxPartitions)
}

// CheckCreatePartitions is CheckCreateTopic for CreatePartitions; t may be nil.
func CheckCreatePartitions(r statestore.Reader, t *topics.Topic, count int32, maxPartitions int64) Error {
	if t == nil {
		return refuse(kerr.UnknownTopicOrPartition, "%s", kerr.UnknownTopicOrPartition.Description)
	}
	switch has := int32(len(t.Coordinators)); {
	case count == has:
		return refuse(kerr.InvalidPartitions, "Topic already has %d partition(s).", has)
	case count < has:
		return refuse(kerr.InvalidPartitions, "The topic %s currently has %d partition(s); %d would not be an increase.", t.Name, has, count)
	default:
		return checkLimit(r, count-has, maxPartitions)
	}
}

func checkLimit(r statestore.Reader, more int32, most int64) Error {
	if have := PartitionCount(r); have+int64(more) > most {
		return refuse(kerr.PolicyViolation, "The cluster has %d partitions; %d more would exceed its limit max.partitions of %d.", have, more, most)
	}
	return Error{}
}

func (c *change) createTopics(cmd *CreateTopics) {
	loads := readLoads(c, cmd.Coordinators)
	for i := range cmd.Topics {
		t := &cmd.Topics[i]
		err := CheckCreateTopic(c, t.Name, t.Partitions, cmd.MaxPartitions)
		if _, used := c.Get(topicKey(t.ID)); used && err.Err == nil { // a retried proposal whose topic was renamed cannot be: ids are random
			err = refuse(kerr.InvalidRequest, "The id of topic '%s' is in use.", t.Name)
		}
		c.answer(err)
		if err.Err != nil {
			continue
		}
		if len(t.Settings) > 0 { // first, so that no follower shows the topic without them
			c.put(configKey(topics.ConfigTopic, t.Name), &topics.ConfigResource{Type: topics.ConfigTopic, Name: t.Name, Settings: t.Settings})
		}
		c.put(topicKey(t.ID), &topics.Topic{ID: t.ID, Name: t.Name, Coordinators: loads.place(nil, t.Partitions), CreatedMillis: c.timestampMillis})
		c.Set(nameKey(t.Name), t.ID[:])
		c.Set(unifiedKey(t.Name), nil)
		c.addPartitions(int64(t.Partitions))
	}
	loads.write(c)
}

func (c *change) createPartitions(cmd *CreatePartitions) {
	loads := readLoads(c, cmd.Coordinators)
	for _, more := range cmd.Topics {
		t, _ := TopicByID(c, more.ID)
		err := CheckCreatePartitions(c, t, more.Count, cmd.MaxPartitions)
		c.answer(err)
		if err.Err != nil {
			continue
		}
		added := more.Count - int32(len(t.Coordinators))
		t.Coordinators = loads.place(t.Coordinators, added)
		c.put(topicKey(t.ID), t)
		c.addPartitions(int64(added))
	}
	loads.write(c)
}

func (c *change) deleteTopics(cmd *DeleteTopics) {
	for _, id := range cmd.IDs {
		t, ok := TopicByID(c, id)
		if !ok {
			c.answer(refuse(kerr.UnknownTopicID, "%s", kerr.UnknownTopicID.Description))
			continue
		}
		c.answer(Error{})
		c.deleteTopic(t)
	}
}

func (c *change) deleteTopic(t *topics.Topic) {
	c.remove(topicKey(t.ID), t.Key())
	c.Delete(nameKey(t.Name))
	c.Delete(unifiedKey(t.Name))
	if key := configKey(topics.ConfigTopic, t.Name); has(c, key) {
		c.remove(key, topics.MetadataKey{Kind: topics.KeyConfig, Type: topics.ConfigTopic, Name: t.Name})
	}
	freed := map[int32]uint64{}
	for _, coordinator := range t.Coordinators {
		freed[coordinator]++
	}
	for coordinator, n := range freed { // each has a key of its own: the order does not show
		setNumber(c, loadKey(coordinator), number(c, loadKey(coordinator))-n)
	}
	c.addPartitions(-int64(len(t.Coordinators)))
}

func has(r statestore.Reader, key []byte) bool {
	_, ok := r.Get(key)
	return ok
}

func (c *change) addPartitions(n int64) {
	setNumber(c, partitionsKey, uint64(PartitionCount(c)+n))
}

// loads counts the partitions that each coordinator owns.
type loads struct {
	counts  []uint64
	changed bool
}

func readLoads(r statestore.Reader, coordinators int32) *loads {
	l := &loads{counts: make([]uint64, max(coordinators, 1))}
	for i := range l.counts {
		l.counts[i] = number(r, loadKey(int32(i)))
	}
	return l
}

// place appends n partitions to owners, each on the coordinator that owns the fewest, of equals the first.
func (l *loads) place(owners []int32, n int32) []int32 {
	for range n {
		least := 0
		for i, count := range l.counts {
			if count < l.counts[least] {
				least = i
			}
		}
		l.counts[least]++
		l.changed = true
		owners = append(owners, int32(least))
	}
	return owners
}

func (l *loads) write(c *change) {
	if !l.changed {
		return
	}
	for i, count := range l.counts {
		setNumber(c, loadKey(int32(i)), count)
	}
}
