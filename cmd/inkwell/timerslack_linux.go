package main

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// A server's timers may be late by timerSlack, in nanoseconds, instead of the system's 50 microseconds.
const (
	systemTimerSlack = 50_000
	timerSlack       = 500_000
)

// startedAgain is in the environment of a process that relaxTimers has started: a system that forgets the slack on the way must not go round in circles.
const startedAgain = "_INKWELL_STARTED_AGAIN"

// relaxTimers replaces the process by itself with timers that may be later. The runtime's monitor thread looks for goroutines that wait in system calls every 20
// microseconds and whatever the system adds; in a server that reads and writes all the time that is a fifth of its CPU. A thread's slack is what the thread had
// that began it, and the monitor begins before anything of this package runs: only a process that has the slack from its start hands it to all its threads.
// Whatever else the slack was set to, as by systemd's TimerSlackNSec, stays, and where the system refuses, the server runs with its timers as they are.
func relaxTimers() {
	if os.Getenv(startedAgain) != "" {
		return
	}
	runtime.LockOSThread() // the slack is this thread's
	defer runtime.UnlockOSThread()
	if slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); err != nil || slack != systemTimerSlack {
		return
	}
	path, err := os.Executable()
	if err != nil {
		return
	}
	if unix.Prctl(unix.PR_SET_TIMERSLACK, timerSlack, 0, 0, 0) == nil {
		_ = unix.Exec(path, os.Args, append(os.Environ(), startedAgain+"=1")) // returns only if it failed
	}
}
