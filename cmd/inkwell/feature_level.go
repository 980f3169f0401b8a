package main

import (
	"fmt"
	"strconv"
)

// featureLevel is empty in every release. Tests build a node of an older release with -ldflags "-X main.featureLevel=1": it knows levels up to that one and halts at what is newer.
var featureLevel string

func builtFeatureLevel() (int32, error) {
	if featureLevel == "" {
		return 0, nil // the newest
	}
	level, err := strconv.ParseInt(featureLevel, 10, 32)
	if err != nil || level < 1 {
		return 0, fmt.Errorf("this binary was built with main.featureLevel=%q, it must be a number from 1: build it without", featureLevel)
	}
	return int32(level), nil
}
