//go:build !linux

package chaos

import (
	"os"
	"testing"
)

func smallDisk(t *testing.T, dir string) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
}

func fillDisk(string) (free func() error, ok bool, err error) { return nil, false, nil }
