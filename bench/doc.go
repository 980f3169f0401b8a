// Command bench compares `inkwell dev` with Apache Kafka on this machine: both are started in turn on loopback with empty folders, driven with Kafka's own performance
// tools, and stopped. It prints one table of medians and ratios and saves it with the machine's description under bench/results. See `make bench`.
package main
