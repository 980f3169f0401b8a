package controller

import (
	"context"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/clusterimage"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/configs"
	"github.com/inkwell-project/inkwell/metadata/controller/state"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/topics"
)

// topicsPerCommand bounds one log entry.
const topicsPerCommand = 500

// replicationFactor is what answers show: objects are replicated by the object store, not by brokers.
const replicationFactor = 1

// maxReplicationFactor is accepted however few brokers there are, because tools ask for it by habit.
const maxReplicationFactor = 3

// creation is one topic of a CreateTopics or what is wrong with it.
type creation struct {
	topic state.NewTopic
	err   state.Error
}

// createTopics answers CreateTopics v2-7. Departures from Kafka: any replication factor up to 3, or the number of live brokers, is accepted
// and shown as 1; manual assignments are checked and not kept.
func (c *Controller) createTopics(ctx context.Context, req *kmsg.CreateTopicsRequest) (*kmsg.CreateTopicsResponse, int64, error) {
	var defaults *topics.ConfigResource
	var brokers []*topics.Broker
	if err := c.read(ctx, func(r statestore.Reader) {
		defaults = &topics.ConfigResource{Settings: state.Settings(r, topics.ConfigBroker, "")}
		brokers = state.Brokers(r)
	}); err != nil {
		return nil, noOffset, err
	}
	asked, named := onceByName(req.Topics, func(t *kmsg.CreateTopicsRequestTopic) string { return t.Topic })
	creations := make([]creation, len(asked))
	total := int64(0)
	for i := range asked {
		if creations[i].err = duplicateName(named[asked[i].Topic]); creations[i].err.Err != nil {
			continue
		}
		creations[i] = c.newTopic(&asked[i], brokers, clusterimage.Lookup(defaults))
		total += int64(creations[i].topic.Partitions)
	}
	if total > int64(c.cfg.MaxPartitionsPerCreate) {
		for i := range creations {
			if creations[i].err.Err == nil {
				creations[i].err = refuse(kerr.PolicyViolation, "The request creates %d partitions; the most is %d. Send several requests.", total, c.cfg.MaxPartitionsPerCreate)
			}
		}
	}
	offset, err := noOffset, error(nil)
	if req.ValidateOnly {
		err = c.checkTopics(ctx, creations)
	} else {
		offset, err = c.proposeTopics(ctx, creations)
	}
	if err != nil {
		return nil, noOffset, err
	}
	resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
	for i := range creations {
		resp.Topics = append(resp.Topics, createdTopic(&asked[i], &creations[i], defaults, req.ValidateOnly))
	}
	return resp, offset, nil
}

// onceByName leaves the first topic of each name, since Kafka answers each name once, and counts how often each was given.
func onceByName[T any](all []T, name func(*T) string) (once []T, times map[string]int) {
	times = make(map[string]int, len(all))
	for i := range all {
		n := name(&all[i])
		if times[n]++; times[n] == 1 {
			once = append(once, all[i])
		}
	}
	return once, times
}

func duplicateName(times int) state.Error {
	if times > 1 {
		return refuse(kerr.InvalidRequest, "Duplicate topic name.")
	}
	return state.Error{}
}

// newTopic checks what can be checked without the other topics.
func (c *Controller) newTopic(t *kmsg.CreateTopicsRequestTopic, brokers []*topics.Broker, defaults configs.Lookup) creation {
	if why := kafka.InvalidTopicName(t.Topic); why != "" {
		return creation{err: refuse(kerr.InvalidTopicException, "%s", why)}
	}
	if t.Topic == topics.ClusterMetadata {
		return creation{err: refuse(kerr.InvalidRequest, "%s is the name of the controllers' own topic; choose another.", t.Topic)}
	}
	settings, err := settingsOfNewTopic(t, defaults)
	if err.Err != nil {
		return creation{err: err}
	}
	partitions, err := c.partitionsOfNewTopic(t, brokers)
	if err.Err != nil {
		return creation{err: err}
	}
	return creation{topic: state.NewTopic{ID: c.cfg.NewTopicID(), Name: t.Topic, Partitions: partitions, Settings: settings}}
}

func settingsOfNewTopic(t *kmsg.CreateTopicsRequestTopic, defaults configs.Lookup) ([]topics.Setting, state.Error) {
	var settings []topics.Setting
	for _, s := range slices.Backward(t.Configs) { // the last of a name counts, as in Kafka
		if s.Value == nil {
			return nil, refuse(kerr.InvalidConfig, "Null value not supported for topic configs: %s", s.Name)
		}
		settings = append(settings, topics.Setting{Name: s.Name, Value: *s.Value})
	}
	slices.SortStableFunc(settings, func(a, b topics.Setting) int { return strings.Compare(a.Name, b.Name) })
	settings = slices.CompactFunc(settings, func(a, b topics.Setting) bool { return a.Name == b.Name })
	return settings, validateSettings(topics.ConfigTopic, "", settings, defaults)
}

func (c *Controller) partitionsOfNewTopic(t *kmsg.CreateTopicsRequestTopic, brokers []*topics.Broker) (int32, state.Error) {
	n := t.NumPartitions
	switch {
	case len(t.ReplicaAssignment) > 0:
		n = int32(len(t.ReplicaAssignment))
		if err := checkAssignment(t, brokers); err.Err != nil {
			return 0, err
		}
	case t.ReplicationFactor == 0 || t.ReplicationFactor < -1:
		return 0, refuse(kerr.InvalidReplicationFactor, "Replication factor must be larger than 0, or -1 to use the default value.")
	case int(t.ReplicationFactor) > max(maxReplicationFactor, live(brokers)):
		return 0, refuse(kerr.InvalidReplicationFactor, "Unable to replicate the partition %d time(s): only %d broker(s) are registered. Ask for -1: the object store replicates.", t.ReplicationFactor, live(brokers))
	case n == 0 || n < -1:
		return 0, refuse(kerr.InvalidPartitions, "Number of partitions was set to an invalid non-positive value.")
	case n == -1:
		n = c.cfg.NumPartitions
	}
	if n > c.cfg.MaxPartitionsPerTopic {
		return 0, refuse(kerr.PolicyViolation, "%d partitions were asked for; a topic has at most %d here (topic.partitions.max).", n, c.cfg.MaxPartitionsPerTopic)
	}
	return n, state.Error{}
}

func live(brokers []*topics.Broker) (n int) {
	for _, b := range brokers {
		if !b.Fenced {
			n++
		}
	}
	return n
}

// checkAssignment refuses manual assignments that Kafka refuses.
func checkAssignment(t *kmsg.CreateTopicsRequestTopic, brokers []*topics.Broker) state.Error {
	if t.ReplicationFactor != -1 {
		return refuse(kerr.InvalidRequest, "A manual partition assignment was specified, but replication factor was not set to -1.")
	}
	if t.NumPartitions != -1 {
		return refuse(kerr.InvalidRequest, "A manual partition assignment was specified, but numPartitions was not set to -1.")
	}
	seen := make([]bool, len(t.ReplicaAssignment))
	for _, a := range t.ReplicaAssignment {
		if a.Partition < 0 || int(a.Partition) >= len(seen) {
			return refuse(kerr.InvalidReplicaAssignment, "partitions should be a consecutive 0-based integer sequence")
		}
		if seen[a.Partition] {
			return refuse(kerr.InvalidReplicaAssignment, "Found multiple manual partition assignments for partition %d", a.Partition)
		}
		seen[a.Partition] = true
		if len(a.Replicas) != len(t.ReplicaAssignment[0].Replicas) {
			return refuse(kerr.InvalidReplicaAssignment, "The manual partition assignment has partitions of %d and of %d replicas.", len(t.ReplicaAssignment[0].Replicas), len(a.Replicas))
		}
		if err := checkReplicas(a.Replicas, brokers); err.Err != nil {
			return err
		}
	}
	return state.Error{}
}

func checkReplicas(replicas []int32, brokers []*topics.Broker) state.Error {
	if len(replicas) == 0 {
		return refuse(kerr.InvalidReplicaAssignment, "The manual partition assignment includes an empty replica list.")
	}
	for i, id := range replicas {
		if slices.Contains(replicas[:i], id) {
			return refuse(kerr.InvalidReplicaAssignment, "The manual partition assignment includes the broker %d more than once.", id)
		}
		if !slices.ContainsFunc(brokers, func(b *topics.Broker) bool { return b.ID == id }) {
			return refuse(kerr.InvalidReplicaAssignment, "The manual partition assignment includes broker %d, but no such broker is registered.", id)
		}
	}
	return state.Error{}
}

// checkTopics is what validate_only does instead of proposing.
func (c *Controller) checkTopics(ctx context.Context, creations []creation) error {
	return c.read(ctx, func(r statestore.Reader) {
		for i := range creations {
			if cr := &creations[i]; cr.err.Err == nil {
				cr.err = state.CheckCreateTopic(r, cr.topic.Name, cr.topic.Partitions, c.maxPartitions())
			}
		}
	})
}

// proposeTopics creates the topics that were not refused.
func (c *Controller) proposeTopics(ctx context.Context, creations []creation) (int64, error) {
	offset := noOffset
	var valid []*creation
	for i := range creations {
		if creations[i].err.Err == nil {
			valid = append(valid, &creations[i])
		}
	}
	for chunk := range slices.Chunk(valid, topicsPerCommand) {
		cmd := &state.CreateTopics{Coordinators: c.batch.Load(), MaxPartitions: c.maxPartitions()}
		for _, cr := range chunk {
			cmd.Topics = append(cmd.Topics, cr.topic)
		}
		result, err := c.propose(ctx, cmd)
		if err != nil {
			return noOffset, err
		}
		offset = result.Offset
		for i, cr := range chunk {
			if cr.err = result.Errors[i]; cr.err.Err == nil {
				c.cfg.Logger.Info("created a topic", "cluster", c.cfg.Cluster, "topic", cr.topic.Name, "topic_id", cr.topic.ID.String(), "partitions", cr.topic.Partitions)
			}
		}
	}
	return offset, nil
}

func createdTopic(t *kmsg.CreateTopicsRequestTopic, cr *creation, defaults *topics.ConfigResource, validated bool) kmsg.CreateTopicsResponseTopic {
	rt := kmsg.NewCreateTopicsResponseTopic()
	rt.Topic, rt.ErrorCode, rt.ErrorMessage = t.Topic, code(cr.err), message(cr.err)
	if cr.err.Err != nil {
		rt.Configs = []kmsg.CreateTopicsResponseTopicConfig{} // as Kafka; null would say that they may not be seen
		return rt
	}
	if !validated {
		rt.TopicID = cr.topic.ID
	}
	rt.NumPartitions, rt.ReplicationFactor = cr.topic.Partitions, replicationFactor
	own := clusterimage.Lookup(&topics.ConfigResource{Settings: cr.topic.Settings})
	for _, e := range configs.DescribeTopic(own, clusterimage.Lookup(defaults)) {
		rc := kmsg.NewCreateTopicsResponseTopicConfig()
		rc.Name, rc.Value, rc.ReadOnly, rc.Source, rc.IsSensitive = e.Name, e.Value, e.ReadOnly, int8(e.Source), e.Sensitive
		rt.Configs = append(rt.Configs, rc)
	}
	return rt
}
