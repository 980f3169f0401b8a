//go:build race

package sim

// ordinarySeeds are few under the race detector, which makes a run take thirteen times as long: `make test` takes 200 without it.
const ordinarySeeds = 6
