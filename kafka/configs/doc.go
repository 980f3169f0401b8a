// Package configs knows the settings of topics and brokers as Kafka 4.3 has them: names, types, defaults, bounds, which broker setting stands behind
// which topic setting, and how DescribeConfigs shows them. It is a table with functions over it.
//
// # Contract
//   - Order: lists are sorted by name.
//   - Bytes: definitions are shared and never changed.
//   - Concurrency: all functions may be called by many.
//   - Failure: a value that Kafka refuses is an *Invalid, with a message for the user. Every topic setting of Kafka is accepted, also those
//     that mean nothing where no broker has a disk, so that tools and scripts work unchanged.
package configs
