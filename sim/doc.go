// Package sim runs whole Inkwells, metadata nodes with Raft inside, brokers of two Inkless clusters and their clients, in one process and in virtual
// time (testing/synctest), with a network, disks, an object store and clocks that fail as a seed says, and checks what clients saw. Single Raft messages are lost, doubled and delayed; nodes join, are drained and removed meanwhile.
//
// # Contract
//   - Order: a seed decides the plan, every fault and its time. It does not decide the order in which Go runs goroutines that are ready at one instant of
//     virtual time: of 8 seeds run twice none repeated exactly, the first 23 % of the events were equal on average. GOMAXPROCS is 1 while a seed runs.
//   - Bytes: a crash of a process loses what its disk had not synced.
//   - Concurrency: a run is a bubble of its own; runs come one after the other.
//   - Failure: a violation prints the plan, the last events and the line that runs the seed again.
package sim
