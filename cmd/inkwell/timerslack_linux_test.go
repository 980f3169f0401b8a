package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A server starts itself once more with the slack, and never again; what an operator has set stays.
func TestServersTimersMayBeLate(t *testing.T) {
	const child = "INKWELL_TEST_TIMERSLACK"
	runtime.LockOSThread() // the slack is a thread's, and a process inherits that of the thread that starts it
	defer runtime.UnlockOSThread()
	slack := func() int {
		n, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if os.Getenv(child) != "" {
		fmt.Println("slack", slack())
		relaxTimers()
		return
	}
	before := slack()
	defer func() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(before), 0, 0, 0) }()
	for _, c := range []struct {
		set  uintptr
		env  []string
		want string
	}{
		{set: systemTimerSlack, want: "slack 50000\nslack 500000\n"},
		{set: 70_000, want: "slack 70000\nPASS\n"},
		{set: systemTimerSlack, env: []string{startedAgain + "=1"}, want: "slack 50000\nPASS\n"}, // the slack got lost
	} {
		if err := unix.Prctl(unix.PR_SET_TIMERSLACK, c.set, 0, 0, 0); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(append(os.Environ(), child+"=1"), c.env...)
		got, err := cmd.CombinedOutput()
		if err != nil || !strings.HasPrefix(string(got), c.want) {
			t.Errorf("from a slack of %d: %v\n%swant\n%s", c.set, err, got, c.want)
		}
	}
}
