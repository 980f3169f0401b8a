// Package acceptance walks through what a new user must be able to rely on: kafka-console-producer writes a file of lines, the process is killed with -9
// in the middle and started again, and a group of Java console consumers reads every line back, in order within each partition; on a local folder and on an
// S3 server. The ordinary run has 50,000 lines, `make acceptance` 1,000,000.
package acceptance
