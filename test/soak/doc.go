// Package soak runs a Metadata cluster of three nodes, two brokers and an S3 server for a long time under a steady load, while the store fails, nodes and brokers are killed, and all
// Compaction Jobs work on small objects, so that an hour holds what months would. `make soak MINUTES=60`; without INKWELL_TEST_SOAK_MINUTES only the checkers are tested.
//
// # Contract
//
//   - Order: INKWELL_TEST_SEED repeats the plan of kills and of the store's faults, not their interleaving with the work.
//   - Bytes: records name their producer, number and checksum. Nothing stays but, of a run that failed, the logs, in the folder that is printed.
//   - Checks: every acknowledged record that retention or DeleteRecords may not have removed is read back once, in order and unchanged, again and again and in the end; the latest
//     record of each key is there; the bucket's objects, the coordinates and the unfinished uploads are as many in the last quarter as in the second; no job waits for ever; each kind of
//     job was completed; `inkwell object verify` finds the bucket clean.
//   - Failure: the first violations are printed when they are found; the run goes on, for what comes next often explains them, and fails in the end.
package soak
