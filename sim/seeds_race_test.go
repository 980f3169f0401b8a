//go:build race

package sim

// ordinarySeeds are few under the race detector, which makes a run take thirteen times as long: `make test` takes more without it.
const (
	ordinarySeeds   = 6
	ordinaryDamages = 1
	lostNodes       = 1
	writesBetween   = 40
)
