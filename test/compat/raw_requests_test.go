package compat

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func rawCreate(change func(*kmsg.CreateTopicsRequestTopic)) kmsg.Request {
	r := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "raw-invalid", 1, 1
	change(&topic)
	r.Topics, r.TimeoutMillis = append(r.Topics, topic), 10_000
	return r
}

func createCode(r kmsg.Response) int16 { return r.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode }

func rawPartitions(name string, count int32) kmsg.Request {
	r := kmsg.NewPtrCreatePartitionsRequest()
	topic := kmsg.NewCreatePartitionsRequestTopic()
	topic.Topic, topic.Count = name, count
	r.Topics, r.TimeoutMillis = append(r.Topics, topic), 10_000
	return r
}

func partitionsCode(r kmsg.Response) int16 {
	return r.(*kmsg.CreatePartitionsResponse).Topics[0].ErrorCode
}

func rawDescribe(topic string) kmsg.Request {
	r := kmsg.NewPtrDescribeConfigsRequest()
	resource := kmsg.NewDescribeConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	r.Resources = append(r.Resources, resource)
	return r
}

func describeCode(r kmsg.Response) int16 {
	return r.(*kmsg.DescribeConfigsResponse).Resources[0].ErrorCode
}

func rawAlter(topic string) kmsg.Request {
	r := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource, setting := kmsg.NewIncrementalAlterConfigsRequestResource(), kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	setting.Name, setting.Value = "retention.ms", kmsg.StringPtr("5")
	resource.ResourceType, resource.ResourceName, resource.Configs = kmsg.ConfigResourceTypeTopic, topic, append(resource.Configs, setting)
	r.Resources = append(r.Resources, resource)
	return r
}

func alterCode(r kmsg.Response) int16 {
	return r.(*kmsg.IncrementalAlterConfigsResponse).Resources[0].ErrorCode
}

func rawAlterBroker(name, setting, value string) kmsg.Request {
	r := rawAlter(name).(*kmsg.IncrementalAlterConfigsRequest)
	resource := &r.Resources[0]
	resource.ResourceType = kmsg.ConfigResourceTypeBroker
	resource.Configs[0].Name, resource.Configs[0].Value = setting, kmsg.StringPtr(value)
	r.ValidateOnly = true
	return r
}

func rawAppendBroker(name, setting, value string) kmsg.Request {
	r := rawAlterBroker(name, setting, value).(*kmsg.IncrementalAlterConfigsRequest)
	r.Resources[0].Configs[0].Op = kmsg.IncrementalAlterConfigOpAppend
	return r
}

func rawFind(group string) kmsg.Request {
	r := kmsg.NewPtrFindCoordinatorRequest()
	r.CoordinatorKeys = []string{group}
	return r
}

func findCode(r kmsg.Response) int16 {
	return r.(*kmsg.FindCoordinatorResponse).Coordinators[0].ErrorCode
}

func rawHeartbeat(group string) kmsg.Request {
	r := kmsg.NewPtrHeartbeatRequest()
	r.Group, r.MemberID, r.Generation = group, "nobody", 1
	return r
}

func heartbeatCode(r kmsg.Response) int16 { return r.(*kmsg.HeartbeatResponse).ErrorCode }

func rawJoin(sessionMillis int32) kmsg.Request {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Group, r.SessionTimeoutMillis, r.RebalanceTimeoutMillis, r.ProtocolType = "raw-join", sessionMillis, 10_000, "consumer"
	protocol := kmsg.NewJoinGroupRequestProtocol()
	protocol.Name, protocol.Metadata = "range", []byte{}
	r.Protocols = append(r.Protocols, protocol)
	return r
}

func joinCode(r kmsg.Response) int16 { return r.(*kmsg.JoinGroupResponse).ErrorCode }

// rawSync is of the newest version, which must name the protocol, and does not.
func rawSync(group string) kmsg.Request {
	r := kmsg.NewPtrSyncGroupRequest()
	r.Group, r.MemberID, r.Generation = group, "nobody", 1
	return r
}

func syncCode(r kmsg.Response) int16 { return r.(*kmsg.SyncGroupResponse).ErrorCode }

func rawCommit(group, member string, generation int32, id [16]byte) kmsg.Request {
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Group, r.MemberID, r.Generation = group, member, generation
	topic, partition := kmsg.NewOffsetCommitRequestTopic(), kmsg.NewOffsetCommitRequestTopicPartition()
	topic.Topic, topic.TopicID, topic.Partitions = "raw", id, append(topic.Partitions, partition)
	r.Topics = append(r.Topics, topic)
	return r
}

func commitCode(r kmsg.Response) int16 {
	return r.(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode
}

func rawDeleteGroup(group string) kmsg.Request {
	r := kmsg.NewPtrDeleteGroupsRequest()
	r.Groups = []string{group}
	return r
}

func deleteGroupCode(r kmsg.Response) int16 {
	return r.(*kmsg.DeleteGroupsResponse).Groups[0].ErrorCode
}

func rawEpoch(name string, current int32) kmsg.Request {
	r := kmsg.NewPtrOffsetForLeaderEpochRequest()
	r.ReplicaID = -1
	topic, partition := kmsg.NewOffsetForLeaderEpochRequestTopic(), kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	partition.CurrentLeaderEpoch = current
	topic.Topic, topic.Partitions = name, append(topic.Partitions, partition)
	r.Topics = append(r.Topics, topic)
	return r
}

func epochCode(r kmsg.Response) int16 {
	return r.(*kmsg.OffsetForLeaderEpochResponse).Topics[0].Partitions[0].ErrorCode
}

func rawList(name string, current int32) kmsg.Request {
	r := kmsg.NewPtrListOffsetsRequest()
	r.ReplicaID = -1
	topic, partition := kmsg.NewListOffsetsRequestTopic(), kmsg.NewListOffsetsRequestTopicPartition()
	partition.CurrentLeaderEpoch, partition.Timestamp = current, -1
	topic.Topic, topic.Partitions = name, append(topic.Partitions, partition)
	r.Topics = append(r.Topics, topic)
	return r
}

func listCode(r kmsg.Response) int16 {
	return r.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].ErrorCode
}

func rawDeleteRecords(name string, before int64) *kmsg.DeleteRecordsRequest {
	r := kmsg.NewPtrDeleteRecordsRequest()
	r.TimeoutMillis = 10_000
	topic, p := kmsg.NewDeleteRecordsRequestTopic(), kmsg.NewDeleteRecordsRequestTopicPartition()
	p.Offset = before
	topic.Topic, topic.Partitions = name, append(topic.Partitions, p)
	r.Topics = append(r.Topics, topic)
	return r
}

func rawFetch(id [16]byte, partition int32, offset int64, epoch int32) *kmsg.FetchRequest {
	r := kmsg.NewPtrFetchRequest()
	r.MaxWaitMillis, r.MinBytes, r.MaxBytes, r.SessionEpoch = 100, 1, 1<<20, -1
	topic, p := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.CurrentLeaderEpoch, p.PartitionMaxBytes = partition, offset, epoch, 1<<20
	topic.TopicID, topic.Partitions = id, append(topic.Partitions, p)
	r.Topics = append(r.Topics, topic)
	return r
}

func fetchCode(r kmsg.Response) int16 {
	response := r.(*kmsg.FetchResponse)
	if response.ErrorCode != 0 {
		return response.ErrorCode
	}
	return response.Topics[0].Partitions[0].ErrorCode
}

// rawSession goes on with a fetch session that the broker never made.
func rawSession(id [16]byte) kmsg.Request {
	r := rawFetch(id, 0, 0, -1)
	r.SessionID, r.SessionEpoch = 12345, 7
	return r
}

func rawProduce(id [16]byte, partition int32, batch []byte) kmsg.Request {
	r := kmsg.NewPtrProduceRequest()
	r.Acks, r.TimeoutMillis = -1, 10_000
	topic, p := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, batch
	topic.TopicID, topic.Partitions = id, append(topic.Partitions, p)
	r.Topics = append(r.Topics, topic)
	return r
}

func produceCode(r kmsg.Response) int16 {
	return r.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode
}

// oneBatch is a batch of one record, as a producer makes it.
func oneBatch() []byte {
	rec := kmsg.Record{Key: []byte("k"), Value: []byte("v")}
	body := rec.AppendTo(nil)
	rec.Length = int32(len(body) - 1) // the length itself took one byte
	b := kmsg.RecordBatch{PartitionLeaderEpoch: -1, Magic: 2, FirstTimestamp: firstTime, MaxTimestamp: firstTime, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: 1, Records: rec.AppendTo(nil)}
	raw := b.AppendTo(nil)
	const lengthAt = 8
	binary.BigEndian.PutUint32(raw[lengthAt:], uint32(len(raw)-lengthAt-4))
	return summed(raw)
}

// summed sets a batch's CRC.
func summed(batch []byte) []byte {
	const crcAt, crcFrom = 17, 21
	binary.BigEndian.PutUint32(batch[crcAt:], crc32.Checksum(batch[crcFrom:], crc32.MakeTable(crc32.Castagnoli)))
	return batch
}

// idempotent is a batch of one record with a producer.
func idempotent(id int64, epoch int16, sequence int32) []byte {
	batch := oneBatch()
	const idAt, epochAt, sequenceAt = 43, 51, 53
	binary.BigEndian.PutUint64(batch[idAt:], uint64(id))
	binary.BigEndian.PutUint16(batch[epochAt:], uint16(epoch))
	binary.BigEndian.PutUint32(batch[sequenceAt:], uint32(sequence))
	return summed(batch)
}

func corrupt(batch []byte) []byte {
	batch[len(batch)-2] ^= 1
	return batch
}

func changed(change func(batch []byte)) []byte {
	batch := oneBatch()
	change(batch)
	return batch
}
