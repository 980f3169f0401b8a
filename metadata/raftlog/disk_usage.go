package raftlog

// DiskUsage is about how many bytes the state of groups, with the records of their topics, has on this node's disk as of the last flush.
func (n *Node) DiskUsage(groups []uint64) (bytes int64, err error) {
	defer recoverFailure(&err)
	return n.store.DiskUsage(groups), nil
}
