// Package sim runs whole Inkwells, metadata nodes with Raft inside, brokers of two Inkless clusters and their clients, in one process and in virtual
// time (testing/synctest), with a network, disks, object stores and clocks that fail as a seed says, and checks what clients saw and what servers hold.
//
// Faults: servers are killed, one or several at once, at a disk write, a message or a call of the store, and lose what was not synced; they are paused, restarted and cut off one
// way or both; connections are reset; single Raft messages are lost, doubled, delayed; disks are slow or full; clocks are wrong and jump; stores fail, hang, and answer late or
// never. Nodes join, are drained and removed, or lost and replaced.
//
// Checked all the time: each offset has one value and each value one offset, in the order of sends; watermarks and commits do not go back; a term has one leader, by what Raft's
// messages say; equal log index means equal state; coordinates are dense and point at nothing that was deleted before; brokers touch their own cluster's objects only; a generation
// has one owner of a partition. In the end: everything makes progress, what was acknowledged is read back, and stores hold exactly what coordinates point at.
//
// # Contract
//   - Order: a seed decides the plan, every fault and its time. It does not decide the order in which Go runs goroutines that are ready at one instant of
//     virtual time, nor that of maps and selects: of 8 seeds run twice none repeated exactly, the first 23 % of the events were equal on average. GOMAXPROCS is 1 while a seed
//     runs, and the make targets turn asynchronous preemption off. A failing seed fails again often, not always.
//   - Bytes: a crash of a process loses what its disk had not synced.
//   - Concurrency: a run is a bubble of its own; runs come one after the other.
//   - Failure: a violation prints the plan, the last events and the line that runs the seed again.
package sim
