// Package kafka holds the words that every other package shares: identifiers, offsets and the one mapping
// between Go errors and Kafka error codes. It imports nothing of ours.
package kafka
