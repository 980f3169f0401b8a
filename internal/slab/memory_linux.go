//go:build linux

package slab

import "golang.org/x/sys/unix"

// newMemory returns n bytes. A mapping's pages take memory only once they are touched, so a frame that was announced and never sent costs nothing.
func newMemory(n int) []byte {
	if n >= mapBytes && !raceEnabled { // the race detector looks at Go's own memory only
		b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err == nil {
			return b
		}
		// vm.max_map_count or an address space limit. Munmap refuses such memory later, and the collector frees it.
		return make([]byte, n)
	}
	return make([]byte, n)
}

// freeMapped gives b back to the system, or leaves it to the collector when it is heap memory.
func freeMapped(b []byte) {
	if len(b) >= mapBytes {
		// Munmap knows its own mappings by address and refuses others.
		_ = unix.Munmap(b)
	}
}

const hugePage = 2 << 20

// newHugeMemory is newMemory for a long run that is used for long: with huge pages it takes fewer faults, and a disk reads into it with less work.
func newHugeMemory(n int) []byte {
	b := newMemory(n)
	if n >= hugePage {
		_ = unix.Madvise(b, unix.MADV_HUGEPAGE) // a wish
	}
	return b
}

// giveBack frees the pages of b, which stays mapped.
func giveBack(b []byte) {
	if len(b) >= mapBytes {
		_ = unix.Madvise(b, unix.MADV_DONTNEED)
	}
}
