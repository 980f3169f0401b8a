package main

import (
	"regexp"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/kafka"
)

// plain is an error without the names and texts that Kafka has for it, and without that of the request.
func plain(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for _, known := range []error{kafka.ErrorOf(err), kerr.CoordinatorNotAvailable} {
		text = strings.ReplaceAll(text, ": "+known.Error(), "")
	}
	return &explained{err, requestName.ReplaceAllString(text, "")}
}

var requestName = regexp.MustCompile(`request [A-Z]\w+: `)
