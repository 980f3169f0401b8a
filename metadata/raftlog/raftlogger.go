package raftlog

import (
	"fmt"
	"log/slog"

	"go.etcd.io/raft/v3"
)

// raftLogger hands Raft's log to slog. Elections are its infos, and there are many when many groups start: debug.
type raftLogger struct{ log *slog.Logger }

var _ raft.Logger = raftLogger{}

func (l raftLogger) Debug(...any)                   {}
func (l raftLogger) Debugf(string, ...any)          {}
func (l raftLogger) Info(v ...any)                  { l.log.Debug(fmt.Sprint(v...)) }
func (l raftLogger) Infof(format string, v ...any)  { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l raftLogger) Warning(v ...any)               { l.log.Warn(fmt.Sprint(v...)) }
func (l raftLogger) Warningf(f string, v ...any)    { l.log.Warn(fmt.Sprintf(f, v...)) }
func (l raftLogger) Error(v ...any)                 { l.log.Error(fmt.Sprint(v...)) }
func (l raftLogger) Errorf(format string, v ...any) { l.log.Error(fmt.Sprintf(format, v...)) }

// A group that cannot go on panics; its neighbours do not notice.
func (l raftLogger) Fatal(v ...any)                 { panic(raftPanic{fmt.Sprint(v...), v}) }
func (l raftLogger) Fatalf(format string, v ...any) { panic(raftPanic{fmt.Sprintf(format, v...), v}) }
func (l raftLogger) Panic(v ...any)                 { panic(raftPanic{fmt.Sprint(v...), v}) }
func (l raftLogger) Panicf(format string, v ...any) { panic(raftPanic{fmt.Sprintf(format, v...), v}) }

// raftPanic keeps the errors that Raft panics about: whether the log is damaged decides what is done.
type raftPanic struct {
	text string
	args []any
}

func (p raftPanic) Error() string { return p.text }

func (p raftPanic) Unwrap() (errs []error) {
	for _, a := range p.args {
		if err, ok := a.(error); ok {
			errs = append(errs, err)
		}
	}
	return errs
}
