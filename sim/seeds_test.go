//go:build !race

package sim

// ordinarySeeds are for each change; `make sim` and `make damage` take more.
const (
	ordinarySeeds   = 200
	ordinaryDamages = 5 // of each kind
	lostNodes       = 3 // that lose their logs while nothing else fails, each in a system of its own
	writesBetween   = 3 // two of a new log's first writes at which a node dies
)
