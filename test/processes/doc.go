// Package processes tests the inkwell binary as its users start it: what it refuses and how it says so, how it ends, and several processes that make one system.
//
// # Contract
//
//   - Order: a process that a test started is gone when the test ends.
//   - Bytes: all folders are the test's own.
//   - Concurrency: processes listen on loopback ports that the test process has claimed; tests run one after the other.
//   - Failure: a refusal is an exit code other than 0 and a message that names the setting; a test that fails shows what the process said.
package processes
