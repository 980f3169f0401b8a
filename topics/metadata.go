package topics

import "github.com/inkwell-project/inkwell/kafka"

// The records of __metadata.c, a compacted topic: the latest record of a key is the truth, a tombstone removes it. Key forms:
//
//	topic/<topic id>                    Topic
//	config/<type>/<resource>            ConfigResource (all of the resource's dynamic settings in one record)
//	broker/<broker id>                  Broker
//	producer-ids                        ProducerIDs
//	feature/<name>                      Feature
//
// The controller's MetadataRecord values are one of these.

// Topic says which partitions a topic has and which partition of __batch_coordinates owns each.
type Topic struct {
	ID   kafka.TopicID
	Name string
	// Coordinators has, for each partition of the topic, the owning partition of __batch_coordinates. A placement is a record, not a hash.
	Coordinators  []int32
	CreatedMillis int64
}

// Config resource types, numbered as in Kafka (DescribeConfigs, key 32).
const (
	ConfigTopic  int8 = 2
	ConfigBroker int8 = 4
	ConfigGroup  int8 = 32
)

// ConfigResource has the dynamic settings of a topic, a broker ("" is the cluster-wide default) or a group.
type ConfigResource struct {
	Type     int8
	Name     string
	Settings []Setting // sorted by name
}

// Setting is one name and value, spelled as in Kafka.
type Setting struct{ Name, Value string }

// Broker is the registration of one broker. Its epoch is the offset of the record that registered it.
type Broker struct {
	ID            int32
	Epoch         int64
	IncarnationID [16]byte
	Rack          string
	Listeners     []BrokerListener
	Fenced        bool
	Version       string
	// Superseded are the last incarnations before this one. They do not take the id back while this one is alive.
	Superseded [][16]byte
}

// BrokerListener is an address that clients reach a broker at.
type BrokerListener struct {
	Name             string
	Host             string
	Port             int32
	SecurityProtocol int16
}

// ProducerIDs is the first producer id that was not handed out yet.
type ProducerIDs struct {
	Next int64
}

// Feature is a finalized feature level.
type Feature struct {
	Name  string
	Level int16
}
