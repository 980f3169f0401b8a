package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
)

// moveNodes has a fourth node join in the midst of the faults, and then it, or one of the first three, drained and removed: replicas and leaders move twice, while nodes are killed and cut off.
func (w *World) moveNodes(ctx context.Context) error {
	r := w.source.Rand("node moves")
	admin := w.newAdmin()
	defer admin.Close()
	if err := sleep(ctx, time.Duration(r.Int64N(int64(w.plan.Duration/2)))); err != nil {
		return err
	}
	w.trace.Add("joins", w.guest.host)
	w.guest.start()
	if err := w.untilNode(ctx, admin, w.guest.id, "has joined", func(n *rpc.NodeDescription) bool { return n.Alive }); err != nil {
		return err
	}
	if err := w.disturb(ctx, r); err != nil {
		return err
	}
	leaves := w.guest
	switch r.IntN(4) {
	case 0:
		leaves = w.nodes[r.IntN(len(w.nodes))]
	case 1:
		lost := w.nodes[r.IntN(len(w.nodes))]
		w.trace.Add("is lost", lost.host)
		lost.kill(true, 0)
		lost.retire()
		return w.replace(ctx, admin, lost, false)
	case 2:
		alive := w.nodes[r.IntN(len(w.nodes))]
		w.trace.Add("is replaced", alive.host)
		err := w.replace(ctx, admin, alive, true)
		alive.retire()
		return err
	}
	w.trace.Add("drains", leaves.host)
	if err := w.setNode(ctx, admin, rpc.NodeDrain, leaves.id); err != nil {
		return err
	}
	if err := w.disturb(ctx, r); err != nil {
		return err
	}
	empty := func(n *rpc.NodeDescription) bool { return n.Replicas == 0 && n.Arriving == 0 && n.Leaving == 0 }
	if err := w.untilNode(ctx, admin, leaves.id, "is drained", empty); err != nil {
		return err
	}
	if err := w.setNode(ctx, admin, rpc.NodeRemove, leaves.id); err != nil {
		return err
	}
	w.trace.Add("removed", leaves.host)
	leaves.retire()
	return nil
}

// replace has the guest take a node's place, with force that of one that lives and may lead.
func (w *World) replace(ctx context.Context, admin *client.AdminClient, lost *metadataNode, force bool) error {
	for {
		_, err := admin.SetNode(ctx, &rpc.SetNodeRequest{Action: rpc.NodeReplace, Node: lost.id, By: w.guest.id, Force: force})
		if err == nil {
			break
		}
		if sleep(ctx, 500*time.Millisecond) != nil {
			return fmt.Errorf("replacing node %d: %w", lost.id, err)
		}
	}
	return w.untilNode(ctx, admin, lost.id, "is replaced", func(n *rpc.NodeDescription) bool { return n.Replicas == 0 && n.Leaving == 0 })
}

// disturb kills the guest now and then: the faults do not know it.
func (w *World) disturb(ctx context.Context, r *rand.Rand) error {
	if err := sleep(ctx, time.Duration(r.Int64N(int64(5*time.Second)))); err != nil || r.IntN(3) > 0 {
		return err
	}
	w.guest.kill(r.IntN(2) == 0, keep(r))
	err := sleep(ctx, time.Duration(r.Int64N(int64(5*time.Second))))
	w.guest.start()
	return err
}

// setNode asks until it is done. Asking twice does no harm.
func (w *World) setNode(ctx context.Context, admin *client.AdminClient, action rpc.NodeAction, id int32) error {
	for {
		_, err := admin.SetNode(ctx, &rpc.SetNodeRequest{Action: action, Node: id})
		if err == nil {
			return nil
		}
		if sleep(ctx, 500*time.Millisecond) != nil {
			return fmt.Errorf("action %d on node %d: %w", action, id, err)
		}
	}
}

// untilNode waits until the list of nodes shows a node as is says.
func (w *World) untilNode(ctx context.Context, admin *client.AdminClient, id int32, what string, is func(*rpc.NodeDescription) bool) error {
	for {
		list, err := admin.ListNodes(ctx, &rpc.ListNodesRequest{})
		last := "it is not listed"
		if err == nil {
			for i := range list.Nodes {
				if list.Nodes[i].ID != id {
					continue
				}
				if is(&list.Nodes[i]) {
					return nil
				}
				last = fmt.Sprintf("%+v, moves %+v", list.Nodes[i], list.Moves)
			}
		} else {
			last = err.Error()
		}
		if sleep(ctx, 500*time.Millisecond) != nil {
			return fmt.Errorf("waiting until node %d %s: %s", id, what, last)
		}
	}
}

// retire stops a process for ever.
func (p *process) retire() {
	p.mu.Lock()
	p.retired = true // first: who is restarting it just now starts it no more
	p.mu.Unlock()
	p.stop()
}

// hasStarted says whether it was ever started.
func (p *process) hasStarted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.started > 0
}
