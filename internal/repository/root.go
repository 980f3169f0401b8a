// Package repository finds this repository's folder, for tests that run its scripts and programs.
package repository

import (
	"os"
	"path/filepath"
	"runtime"
)

// Root is the folder of go.mod.
func Root() string {
	if _, file, _, _ := runtime.Caller(0); filepath.IsAbs(file) {
		return filepath.Dir(filepath.Dir(filepath.Dir(file)))
	}
	// Built with -trimpath, as some have in their GOFLAGS: tests run in the folder of their package.
	dir, err := os.Getwd()
	for err == nil && dir != filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return "."
}
