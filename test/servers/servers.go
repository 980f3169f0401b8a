package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	startDeadline = 90 * time.Second // a JVM on a loaded machine
	stopDeadline  = 30 * time.Second
)

// Options are what differs between uses of one system.
type Options struct {
	Dir        string   // folder of its own; made when it does not exist
	Listen     string   // HOST:PORT; empty chooses a free port on loopback
	Advertised string   // HOST:PORT that clients are told; empty means Listen
	Extra      []string // more flags of inkwell, or more lines of Kafka's server.properties
	Store      string   // inkwell's --store; empty means a folder below Dir
	Env        []string // NAME=value, in addition to this process's own
	Login      kgo.Opt  // how the question whether it answers logs in; nil does not
}

// Server is one running system.
type Server struct {
	Name   string // "kafka" or "inkwell"
	Listen string // where it listens
	opts   Options
	http   string // inkwell's status address
	run    func() *exec.Cmd

	cmd   *exec.Cmd
	log   *os.File
	ended chan struct{} // closed when the process has ended; err is set before
	err   error
}

func (o *Options) setDefaults() error {
	if o.Listen == "" {
		addr, err := FreeAddress()
		if err != nil {
			return err
		}
		o.Listen = addr
	}
	if o.Advertised == "" {
		o.Advertised = o.Listen
	}
	return os.MkdirAll(o.Dir, 0o700)
}

// Start starts the process (again) and waits until it answers. Use it after Stop or Kill.
func (s *Server) Start(ctx context.Context) error {
	if err := s.Launch(); err != nil {
		return err
	}
	if err := s.AwaitReady(ctx); err != nil {
		return errors.Join(err, s.Kill())
	}
	return nil
}

// AwaitReady waits until the process answers.
func (s *Server) AwaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startDeadline)
	defer cancel()
	if err := s.waitReady(ctx); err != nil {
		return fmt.Errorf("%s did not start: %w\n%s", s.Name, err, s.LogTail(4000))
	}
	return nil
}

// Launch is Start without the wait.
func (s *Server) Launch() error {
	log, err := os.OpenFile(s.LogPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	cmd := s.run()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(cmd.Environ(), s.opts.Env...)
	// A server must not outlive a test binary that is killed by its own time limit.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		log.Close()
		return err
	}
	ended := make(chan struct{})
	s.cmd, s.log, s.ended, s.err = cmd, log, ended, nil
	go func() {
		s.err = cmd.Wait()
		close(ended)
	}()
	return nil
}

// Ended is closed when the process has ended, whoever ended it.
func (s *Server) Ended() <-chan struct{} { return s.ended }

// waitReady asks for the brokers until one is known.
func (s *Server) waitReady(ctx context.Context) error {
	opts := []kgo.Opt{kgo.SeedBrokers(s.Listen), kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond })}
	if s.opts.Login != nil {
		opts = append(opts, s.opts.Login)
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		once, cancel := context.WithTimeout(ctx, time.Second)
		err := client.Ping(once)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("the process ended: %w", s.err)
		case <-ctx.Done():
			return fmt.Errorf("no answer at %s within %s: %w", s.Listen, startDeadline, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop ends the process with SIGTERM and waits; a server that has not drained in time is killed and reported.
func (s *Server) Stop() error {
	if s.cmd == nil {
		return nil
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.ended:
	case <-time.After(stopDeadline):
		return errors.Join(fmt.Errorf("%s did not stop within %s of SIGTERM\n%s", s.Name, stopDeadline, s.LogTail(4000)), s.Kill())
	}
	s.cmd = nil
	err := errors.Join(s.err, s.log.Close())
	var exit *exec.ExitError
	if errors.As(s.err, &exit) && exit.ExitCode() == 143 {
		return nil // a JVM that obeyed SIGTERM
	}
	return err
}

// Kill ends the process at once, as kill -9 does, and waits until it is gone.
func (s *Server) Kill() error {
	if s.cmd == nil {
		return nil
	}
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-s.ended
	s.cmd = nil
	return s.log.Close()
}

// PID is the process id, 0 when it does not run.
func (s *Server) PID() int {
	if s.cmd == nil {
		return 0
	}
	return s.cmd.Process.Pid
}

// LogPath is the file that takes standard output and standard error of every run.
func (s *Server) LogPath() string { return filepath.Join(s.opts.Dir, "server.log") }

// LogTail is the last n bytes of the log.
func (s *Server) LogTail(n int) string {
	text, err := os.ReadFile(s.LogPath())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-n):])
}
