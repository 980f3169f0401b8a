//go:build !race

package sim

// ordinarySeeds are for each change; `make sim` takes more.
const ordinarySeeds = 200
