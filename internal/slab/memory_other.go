//go:build !linux

package slab

func newMemory(n int) []byte { return make([]byte, n) }

func freeMapped([]byte) {}

func newHugeMemory(n int) []byte { return make([]byte, n) }

func giveBack([]byte) {}
