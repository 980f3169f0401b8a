package groupcoordinator

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/metadata/groupcoordinator/classic"
	"github.com/inkwell-project/inkwell/metadata/groupcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// expireLoop removes expired offsets, and empty groups without offsets, at every check interval.
func (r *reign) expireLoop() {
	for {
		if clock.Sleep(r.ctx, r.c.cfg.Clock, r.c.cfg.Settings.RetentionCheckInterval) != nil {
			return
		}
		for _, c := range r.allCells() {
			if r.ctx.Err() != nil {
				return
			}
			r.expireGroup(c)
		}
		r.c.metrics.lastExpiry.Store(r.c.now())
	}
}

// expireGroup removes what has expired of one group, a page per command.
func (r *reign) expireGroup(c *cell) {
	for {
		cmd, more, all := r.expired(c)
		if cmd == nil {
			return
		}
		if len(cmd.Offsets) > 0 {
			result, kerror := r.propose(r.ctx, cmd)
			if kerror != nil {
				r.c.logger.Warn("expired offsets were not removed, the next check tries again", "group", c.id, "error", kerror)
				return
			}
			r.c.metrics.expired.Add(float64(result.Deleted))
		}
		if more {
			continue
		}
		if all {
			r.expireEmptyGroup(c.id)
		}
		return
	}
}

// expired looks for up to a page of expired offsets of a group. cmd is nil when none may expire; all: nothing else is left.
func (r *reign) expired(c *cell) (cmd *state.DeleteOffsets, more, all bool) {
	rule := classic.Expiry{Never: true}
	var subscribed func(topic string) bool
	c.with(func(c *cell) {
		if c.group != nil {
			rule, subscribed = c.group.OffsetExpiry(), c.group.Subscriptions()
		}
	})
	if rule.Never {
		return nil, false, false
	}
	now, retention := r.c.now(), r.c.cfg.Settings.OffsetsRetention.Milliseconds()
	isOver := func(v *kmsg.OffsetCommitValue) bool {
		switch {
		case v.ExpireTimestamp >= 0: // an old client's own retention
			return now >= v.ExpireTimestamp
		case rule.SinceMillis >= 0:
			return now-rule.SinceMillis >= retention
		default:
			return now-v.CommitTimestamp >= retention
		}
	}
	cmd, all = &state.DeleteOffsets{TimestampMillis: now}, true
	err := r.c.view(func(s statestore.Reader) {
		state.ScanOffsets(s, c.id, func(o state.StoredOffset) bool {
			if subscribed(o.Topic) || !isOver(&o.Value) {
				all = false
				return true
			}
			if more = len(cmd.Offsets) == r.c.cfg.Settings.MaxExpiredOffsetsPerRun; more {
				return false
			}
			cmd.Offsets = append(cmd.Offsets, state.OffsetKey{
				Group: c.id, Topic: o.Topic, Partition: o.Partition, CommittedAtMillis: o.Value.CommitTimestamp,
			})
			return true
		})
	})
	if err != nil {
		return nil, false, false
	}
	c.with(func(c *cell) {
		if c.group == nil || c.group.OffsetExpiry() != rule {
			cmd = nil // members came or went meanwhile; the next check looks again
		}
	})
	return cmd, more, all
}

// expireEmptyGroup removes a group that has neither members nor offsets.
func (r *reign) expireEmptyGroup(group string) {
	kerror := r.deleteGroup(r.ctx, group, func(g *classic.Group) *kerr.Error {
		if g.HasPendingMembers() {
			return kerr.NonEmptyGroup
		}
		return g.Delete()
	}, true)
	if kerror == nil {
		r.c.logger.Info("removed an empty group without offsets", "group", group)
	}
}

// OnTopicsDeleted removes the committed offsets of topics that were deleted, of all groups. Offsets that are committed while it runs, for
// a new topic of the same name, stay. Calling it again does no harm; it returns kerr.NotCoordinator when this replica does not lead.
func (c *Coordinator) OnTopicsDeleted(ctx context.Context, names []string) error {
	deleted := make(map[string]bool, len(names))
	for _, name := range names {
		deleted[name] = true
	}
	r, kerror := c.leadingNow(ctx)
	if kerror != nil {
		return kerror
	}
	var keys []state.OffsetKey
	err := c.view(func(s statestore.Reader) {
		state.ScanAllOffsets(s, func(o state.StoredOffset) bool {
			if deleted[o.Topic] {
				keys = append(keys, state.OffsetKey{Group: o.Group, Topic: o.Topic, Partition: o.Partition, CommittedAtMillis: o.Value.CommitTimestamp})
			}
			return true
		})
	})
	if err != nil {
		return err
	}
	for len(keys) > 0 {
		n := min(len(keys), c.cfg.Settings.MaxExpiredOffsetsPerRun)
		if _, kerror := r.propose(ctx, &state.DeleteOffsets{TimestampMillis: c.now(), Offsets: keys[:n]}); kerror != nil {
			return kerror
		}
		keys = keys[n:]
	}
	return nil
}
