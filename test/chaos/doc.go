// Package chaos kills `inkwell dev` with SIGKILL at random moments, start-up included, while idempotent producers write and consumers read, and then
// compares what was acknowledged, what readers saw on the way, and what is there in the end.
//
// # Contract
//
//   - Order: kills come at moments drawn from a seed that is printed; INKWELL_TEST_SEED repeats them, INKWELL_TEST_KILLS says how many (5).
//   - Bytes: every record says who wrote it, to which partition, and as which one of it; the data folders go with the test.
//   - Concurrency: producers, readers, group members and the watch over committed offsets run across all lives of the process.
//   - Failure: the first lost, repeated, reordered or changed record is told with its place; the log of the process comes with a failure.
package chaos
