package repository

import (
	"os"
	"path/filepath"
	"testing"
)

func TestRoot(t *testing.T) {
	if _, err := os.Stat(filepath.Join(Root(), "test", "tools", "install.sh")); err != nil {
		t.Error(err)
	}
}
