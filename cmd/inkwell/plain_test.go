package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/rpc"
)

func TestPlain(t *testing.T) {
	err := plain(fmt.Errorf("asking: request %s: no connection: %w", rpc.KeyName(rpc.KeyDescribeCluster), kerr.CoordinatorNotAvailable))
	if got := err.Error(); got != "asking: no connection" {
		t.Errorf("%q", got)
	}
	if !errors.Is(err, kerr.CoordinatorNotAvailable) {
		t.Error("its code is lost")
	}
}
