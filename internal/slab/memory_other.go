//go:build !linux

package slab

func newMemory(n int) []byte { return make([]byte, n) }

func freeMapped([]byte) {}
