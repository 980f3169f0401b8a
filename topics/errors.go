package topics

import "errors"

var (
	// ErrNewerVersion: the record was written by a newer release.
	ErrNewerVersion = errors.New("the record has a newer version than this release knows")
	// ErrCorrupt: the bytes are not a record of this topic.
	ErrCorrupt = errors.New("the record is damaged")
)
