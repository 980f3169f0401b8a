//go:build !race

package sim

// ordinarySeeds are for each change; `make sim` and `make damage` take more.
const (
	ordinarySeeds   = 200
	ordinaryDamages = 5 // of each kind
)
