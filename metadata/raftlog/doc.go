// Package raftlog stores the partitions of the Metadata Kafka Cluster's topics: each is one Raft group with an fsynced
// log, a state on disk and the topic's records.
package raftlog
