package metadata

import (
	"errors"

	"github.com/inkwell-project/inkwell/topics"
)

// endMetadata ends what works with a replica that is to be rebuilt. The image stays as it is for the Batch Coordinators, as if the replica lagged.
func (m *matching) endMetadata(p *topics.PartitionPlacement) {
	t := m.next
	watch, c, image := t.watch, t.controller, t.image
	t.watch, t.controller, t.metadataLog = nil, nil, m.elsewhere(p)
	m.rebuild(p, metadataKind, func() error {
		watch.close()
		return errors.Join(c.Close(), image.Close())
	})
}

// rebuild has a halted replica made anew, once its coordinator has ended.
func (m *matching) rebuild(p *topics.PartitionPlacement, k kind, end func() error) {
	cause := m.n.halted(p)
	m.retire = append(m.retire, func() error {
		err := end()
		m.n.rebuilds.begin(k.config(p), cause)
		return err
	})
}

// dropRebuild ends the rebuild of a replica that the layout has elsewhere now, and deletes what there is of it once nobody counts on it.
func (m *matching) dropRebuild(p *topics.PartitionPlacement) (dropped bool) {
	if !m.n.rebuilds.has(p.RaftGroup) {
		return false
	}
	m.n.rebuilds.stop(p.RaftGroup)
	if !m.n.retired(p) {
		return false
	}
	m.n.rebuilds.forget(p.RaftGroup)
	m.touched = true
	m.retire = append(m.retire, func() error { return m.n.removeReplica(p) })
	m.forget(p)
	return true
}
