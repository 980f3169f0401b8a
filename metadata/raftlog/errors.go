package raftlog

import "errors"

// ErrHalt marks an error after which a group must not go on: an entry of a newer version, a damaged state.
var ErrHalt = errors.New("this partition is halted")
