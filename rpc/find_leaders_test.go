package rpc

import (
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Where the leader is survives the wire, and so does that the request was refused.
func TestLeaderHintsSurviveTheWire(t *testing.T) {
	sent := &Reply{Err: fmt.Errorf("committing: %w", &NotLeader{Node: 3, Address: "n3:9192", Term: 7, Err: fmt.Errorf("__batch_coordinates-0: %w", kerr.NotCoordinator)})}
	var got Reply
	if err := got.Decode(sent.Append(nil)); err != nil {
		t.Fatal(err)
	}
	var hint *NotLeader
	if !errors.As(got.Err, &hint) || hint.Node != 3 || hint.Address != "n3:9192" || hint.Term != 7 || !errors.Is(got.Err, kerr.NotCoordinator) {
		t.Fatalf("got %#v", got.Err)
	}
	plain := &Reply{Err: kerr.NotCoordinator}
	got = Reply{}
	if err := got.Decode(plain.Append(nil)); err != nil || errors.As(got.Err, &hint) && hint.Node == 0 {
		t.Fatalf("got %#v, %v", got.Err, err)
	}
}
