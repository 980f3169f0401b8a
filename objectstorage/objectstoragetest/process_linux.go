package objectstoragetest

import (
	"os/exec"
	"syscall"
)

// dieWithParent leaves no server behind when the test is killed.
func dieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
