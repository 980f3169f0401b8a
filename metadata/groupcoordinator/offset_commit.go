package groupcoordinator

import (
	"context"
	"unicode/utf16"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/groupcoordinator/classic"
	"github.com/inkwell-project/inkwell/metadata/groupcoordinator/state"
)

// Versions of OffsetCommit from which something holds.
const (
	commitKnowsMissingGroup = 9  // GROUP_ID_NOT_FOUND instead of ILLEGAL_GENERATION
	commitByTopicID         = 10 // partitions are named by topic id; whoever translates the id sets Topic, too
)

// offsetCommit answers OffsetCommit, versions 2 to 10. That the topics exist is for the broker to know.
func (c *Coordinator) offsetCommit(ctx context.Context, req *kmsg.OffsetCommitRequest) (kmsg.Response, error) {
	r, kerror := c.leading()
	if kerror != nil {
		return commitResponse(req, kerror), nil
	}
	cmd, resp := c.commitCommand(req)
	var place *turn
	var home *cell
	if !r.withCell(req.Group, func(found *cell) {
		home = found
		if kerror = c.validateCommit(found, req); kerror == nil && len(cmd.Offsets) > 0 {
			place = found.writes.enqueue(false)
		}
	}) {
		kerror = r.endedWith()
	}
	if kerror != nil {
		return commitResponse(req, kerror), nil
	}
	if place == nil {
		return resp, nil // every partition was refused by itself
	}
	if kerror := r.commit(ctx, home, place, cmd); kerror != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return commitResponse(req, kerror), nil
	}
	c.metrics.commits.Add(float64(len(cmd.Offsets)))
	return resp, nil
}

// commit waits for the turn and replicates.
func (r *reign) commit(ctx context.Context, c *cell, place *turn, cmd *state.CommitOffsets) *kerr.Error {
	var kerror *kerr.Error
	select {
	case <-place.begin:
		_, kerror = r.propose(ctx, cmd)
	case <-ctx.Done():
		kerror = kerr.CoordinatorNotAvailable
	case <-r.ctx.Done():
		kerror = r.endedWith()
	}
	c.with(func(c *cell) {
		c.writes.done(place)
		if kerror == nil && c.group == nil { // it was deleted while the commit waited behind the deletion
			c.setGroup(classic.NewSimple(c.id, r.c.group, cmd.TimestampMillis))
		}
	})
	return kerror
}

// validateCommit creates a simple group where an outsider commits to a group that does not exist.
func (c *Coordinator) validateCommit(cell *cell, req *kmsg.OffsetCommitRequest) *kerr.Error {
	if cell.group == nil {
		switch {
		case req.Generation < 0:
			cell.setGroup(classic.NewSimple(req.Group, c.group, c.now()))
		case req.Version >= commitKnowsMissingGroup:
			return kerr.GroupIDNotFound
		default:
			return kerr.IllegalGeneration
		}
	}
	return cell.group.ValidateCommit(req.MemberID, req.InstanceID, req.Generation)
}

// commitCommand sorts out what cannot be committed. The response is the one for success.
func (c *Coordinator) commitCommand(req *kmsg.OffsetCommitRequest) (*state.CommitOffsets, *kmsg.OffsetCommitResponse) {
	now := c.now()
	cmd := &state.CommitOffsets{Group: req.Group, TimestampMillis: now, Generation: req.Generation}
	expire := int64(-1)
	if req.RetentionTimeMillis >= 0 && req.Version >= 2 && req.Version <= 4 {
		expire = now + req.RetentionTimeMillis
	}
	resp := commitResponse(req, nil)
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			p := &t.Partitions[j]
			o := state.Offset{
				Topic: t.Topic, TopicID: kafka.TopicID(t.TopicID), Partition: p.Partition, Offset: p.Offset,
				LeaderEpoch: p.LeaderEpoch, ExpireTimestampMillis: expire,
			}
			if p.Metadata != nil {
				o.Metadata = *p.Metadata
			}
			switch code := &resp.Topics[i].Partitions[j].ErrorCode; {
			case req.Version >= commitByTopicID && t.Topic == "":
				*code = kerr.UnknownTopicID.Code
			case javaLength(o.Metadata) > c.cfg.Settings.MaxOffsetMetadata:
				*code = kerr.OffsetMetadataTooLarge.Code
			default:
				cmd.Offsets = append(cmd.Offsets, o)
			}
		}
	}
	return cmd, resp
}

// javaLength is the length of a string in UTF-16 code units: what Kafka holds against offset.metadata.max.bytes.
func javaLength(s string) int {
	n := 0
	for _, r := range s {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}

func commitResponse(req *kmsg.OffsetCommitRequest, kerror *kerr.Error) *kmsg.OffsetCommitResponse {
	var code int16
	if kerror != nil {
		code = kerror.Code
	}
	resp := kmsg.NewPtrOffsetCommitResponse()
	resp.Topics = make([]kmsg.OffsetCommitResponseTopic, len(req.Topics))
	for i := range req.Topics {
		t := &resp.Topics[i]
		t.Topic, t.TopicID = req.Topics[i].Topic, req.Topics[i].TopicID
		t.Partitions = make([]kmsg.OffsetCommitResponseTopicPartition, len(req.Topics[i].Partitions))
		for j := range t.Partitions {
			t.Partitions[j].Partition, t.Partitions[j].ErrorCode = req.Topics[i].Partitions[j].Partition, code
		}
	}
	return resp
}
