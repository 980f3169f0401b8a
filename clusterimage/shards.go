package clusterimage

import "maps"

const shardCount = 256

// sharded is a map in shards that images share until a Builder changes one.
type sharded[K comparable, V any] struct {
	shards [shardCount]map[K]V
	len    int
}

// editor changes a copy of a sharded map; each shard is copied once, at its first change.
type editor[K comparable, V any] struct {
	m     *sharded[K, V]
	hash  func(K) uint8
	owned *[shardCount]bool // nil: m is shared, nothing is owned
}

func (s *sharded[K, V]) get(k K, shard uint8) (V, bool) {
	v, ok := s.shards[shard][k]
	return v, ok
}

func (e *editor[K, V]) get(k K) (V, bool) { return e.m.get(k, e.hash(k)) }

// own makes the shard private to this editor.
func (e *editor[K, V]) own(shard uint8) {
	if e.owned == nil {
		m := *e.m
		e.m, e.owned = &m, new([shardCount]bool)
	}
	if e.owned[shard] {
		return
	}
	e.owned[shard] = true
	if e.m.shards[shard] = maps.Clone(e.m.shards[shard]); e.m.shards[shard] == nil {
		e.m.shards[shard] = map[K]V{}
	}
}

func (e *editor[K, V]) set(k K, v V) {
	shard := e.hash(k)
	e.own(shard)
	if _, ok := e.m.shards[shard][k]; !ok {
		e.m.len++
	}
	e.m.shards[shard][k] = v
}

func (e *editor[K, V]) delete(k K) {
	shard := e.hash(k)
	if _, ok := e.m.shards[shard][k]; !ok {
		return
	}
	e.own(shard)
	delete(e.m.shards[shard], k)
	e.m.len--
}

// publish hands the map to an image: from here on it is shared.
func (e *editor[K, V]) publish() *sharded[K, V] {
	e.owned = nil
	return e.m
}

// hashName is FNV-1a; the same on every process, so that a simulation repeats itself.
func hashName(s string) uint8 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return uint8(h ^ h>>8 ^ h>>16)
}
