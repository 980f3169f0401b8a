package chaos

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// replaceNode kills a node for ever and rebuilds its replicas on a new one.
func replaceNode(s *system, st step) error {
	return s.exchange(st, func(old, p *process) error {
		return s.retried("metadata", "nodes", "replace", fmt.Sprint(old.id), fmt.Sprint(p.id), "--force")
	}, true)
}

// drainNode moves everything from a node to a new one, and ends it.
func drainNode(s *system, st step) error {
	return s.exchange(st, func(old, p *process) error {
		if err := s.retried("metadata", "nodes", "drain", fmt.Sprint(old.id)); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(s.t.Context(), 90*time.Second)
		defer cancel()
		for {
			l, err := s.list(ctx)
			if err == nil {
				for _, n := range l.Nodes {
					if int(n.ID) == old.id && n.Replicas+n.Leaving == 0 {
						return s.retried("metadata", "nodes", "remove", fmt.Sprint(old.id))
					}
				}
			}
			if !sleep(ctx, 100*time.Millisecond) {
				return fmt.Errorf("%s is not drained: %+v %w", old.name, l, err)
			}
		}
	}, false)
}

func (s *system) exchange(st step, command func(old, p *process) error, dead bool) error {
	s.exchanging.Lock()
	defer s.exchanging.Unlock()
	i := st.a % nodeCount
	s.busy[i].Lock()
	defer s.busy[i].Unlock()
	old := s.node(i)
	if dead {
		if err := old.Kill(); err != nil {
			return err
		}
		sleep(s.t.Context(), st.hold)
	}
	p := s.startNode()
	s.say("  %s is to take the place of %s", p.name, old.name)
	if err := command(old, p); err != nil {
		return err
	}
	s.setNode(i, p)
	err := s.awaitCalmFor(90 * time.Second)
	if !dead {
		// A node that is no member ends by itself or is stopped; either is well.
		_ = old.Stop()
	}
	return err
}

// retried is a command of an administrator who tries again while other faults are under way.
func (s *system) retried(args ...string) error {
	began := time.Now()
	for {
		out, err := s.run(args...)
		if err == nil {
			s.say("  %s", strings.TrimSpace(out))
			return nil
		}
		if time.Since(began) > time.Minute {
			return fmt.Errorf("inkwell %s: %w\n%s", strings.Join(args, " "), err, out)
		}
		sleep(s.t.Context(), 500*time.Millisecond)
	}
}

func (s *system) awaitCalmFor(d time.Duration) error {
	ctx, cancel := context.WithTimeout(s.t.Context(), d)
	defer cancel()
	return s.awaitCalm(ctx)
}
