package raftlog

// StateHash is the hash of a replica's state as of an index of its log. Replicas agree on it.
type StateHash struct {
	Group uint64
	Index uint64
	Hash  string
}

// Hashes are those of the groups that run here and have no error. Each reads its whole state: this is for tests, the groups compare parts by themselves.
func (n *Node) Hashes() (hashes []StateHash, err error) {
	var groups []*group
	if err := n.do(func() {
		for _, g := range n.order {
			if g.status().Err == nil {
				groups = append(groups, g)
			}
		}
	}); err != nil {
		return nil, err
	}
	for _, g := range groups {
		index, hash, err := g.Hash()
		if err == nil && hash != "" {
			hashes = append(hashes, StateHash{g.id, index, hash})
		}
	}
	return hashes, nil
}
