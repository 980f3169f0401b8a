package filesystem

import (
	"testing"

	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/objectstoragetest"
)

func TestConformance(t *testing.T) {
	objectstoragetest.Run(t, func(t *testing.T) objectstorage.Bucket {
		b, err := Open(Config{Path: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		return b
	})
}
