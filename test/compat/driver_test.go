package compat

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/inkwell-project/inkwell/test/servers"
)

// driver is one client against one system. call may be used by many goroutines.
type driver interface {
	call(ctx context.Context, r request) answer
	close() error
}

// driverProcess talks to a driver in a process of its own.
type driverProcess struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	ended chan struct{}

	mu      sync.Mutex // guards what follows, and writes to stdin
	next    int
	waiting map[int]chan answer
	stderr  bytes.Buffer
}

func startDriver(name string, args ...string) (*driverProcess, error) {
	d := &driverProcess{cmd: exec.Command(name, args...), waiting: make(map[int]chan answer), ended: make(chan struct{})}
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	d.cmd.Stderr = &d.stderr
	stdin, err := d.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	d.stdin = stdin
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	go d.read(stdout)
	return d, nil
}

func (d *driverProcess) read(stdout io.Reader) {
	lines := bufio.NewReaderSize(stdout, 1<<20)
	var garbage string
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var a answer
		if err := json.Unmarshal(line, &a); err != nil {
			garbage = fmt.Sprintf("not an answer: %.200q", line)
			break
		}
		d.mu.Lock()
		if c := d.waiting[a.ID]; c != nil {
			c <- a // has room
			delete(d.waiting, a.ID)
		}
		d.mu.Unlock()
	}
	_, _ = io.Copy(io.Discard, stdout)
	_ = d.cmd.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, c := range d.waiting {
		c <- answer{Code: -1, Error: fmt.Sprintf("the driver ended (%s) %s: %s", d.cmd.ProcessState, garbage, d.stderr.Bytes())}
		delete(d.waiting, id)
	}
	close(d.ended)
}

func (d *driverProcess) call(ctx context.Context, r request) answer {
	c := make(chan answer, 1)
	d.mu.Lock()
	d.next++
	r.ID = d.next
	line, err := json.Marshal(r)
	if err == nil {
		d.waiting[r.ID] = c
		_, err = d.stdin.Write(append(line, '\n'))
	}
	if err != nil {
		delete(d.waiting, r.ID)
		d.mu.Unlock()
		return answer{Code: -1, Error: err.Error()}
	}
	d.mu.Unlock()
	select {
	case a := <-c:
		return a
	case <-ctx.Done():
		return answer{Code: -1, Error: fmt.Sprintf("no answer to %s: %s", r.Op, ctx.Err())}
	case <-d.ended:
		select {
		case a := <-c:
			return a
		default:
			return answer{Code: -1, Error: "the driver has ended"}
		}
	}
}

func (d *driverProcess) close() error {
	err := d.stdin.Close()
	<-d.ended
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("the driver ended with %s: %s", d.cmd.ProcessState, d.stderr.Bytes())
	}
	return err
}

// javaFlags keep a JVM that runs for a minute cheap.
var javaFlags = []string{"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"}

func startJava(ctx context.Context, t *tooling, bootstrap string) (driver, error) {
	return startDriver("java", append(append([]string{}, javaFlags...), "-cp", t.driverClasses+string(os.PathListSeparator)+t.classPath, "Driver", bootstrap)...)
}

func startPython(ctx context.Context, t *tooling, bootstrap string) (driver, error) {
	return startDriver(t.python, "-u", filepath.Join(servers.Root(), "test", "compat", "drivers", "driver.py"), bootstrap)
}

func startFranz(ctx context.Context, t *tooling, bootstrap string) (driver, error) {
	return newFranz(bootstrap)
}

// compileDriver compiles the Java driver into dir.
func compileDriver(ctx context.Context, classPath, dir string) error {
	source := filepath.Join(servers.Root(), "test", "compat", "drivers", "Driver.java")
	if out, err := exec.CommandContext(ctx, "javac", "-nowarn", "-cp", classPath, "-d", dir, source).CombinedOutput(); err != nil {
		return fmt.Errorf("compiling the Java driver (javac is in default-jdk-headless on Debian and Ubuntu): %w\n%s", err, out)
	}
	return nil
}
