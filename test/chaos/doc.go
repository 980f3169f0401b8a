// Package chaos runs real processes under load and breaks them: `inkwell dev`, killed with SIGKILL at random moments; and three metadata nodes with four brokers of
// two Inkless clusters and an S3 server, which are killed, paused, cut off from one another one way and both ways, filled up, restarted in turn, replaced and drained.
// Idempotent producers write and groups read meanwhile. Then what was acknowledged, what readers saw on the way and what is there in the end is compared.
//
// # Contract
//
//   - Order: faults and their moments are drawn from a seed that is printed, with the whole schedule; INKWELL_TEST_SEED repeats it. Which node leads at a moment, and what
//     the processes make of it, is not in the seed. INKWELL_TEST_CHAOS=long (make chaos) has each fault once and then mixes, INKWELL_TEST_MIXES of them; without it
//     there are a few. INKWELL_TEST_FAULT takes only faults whose name has these words. INKWELL_TEST_KILLS is how often one process is killed (5),
//     INKWELL_TEST_LEADER_KILLS how often a leader is, under Java clients (0).
//   - Bytes: every record says of which cluster it is, who wrote it, to which partition, and as which one of it; the data folders go with the test.
//   - Concurrency: producers, readers, group members and the watch over committed offsets run across all lives of the processes.
//   - Failure: the first lost, repeated, reordered or changed record is told with its place; so is a system that does not serve everyone again after a round of faults.
//     The logs of the processes come with a failure.
package chaos
