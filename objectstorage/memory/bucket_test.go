package memory_test

import (
	"testing"

	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/memory"
	"github.com/inkwell-project/inkwell/objectstorage/objectstoragetest"
)

func TestConformance(t *testing.T) {
	objectstoragetest.Run(t, func(t *testing.T) objectstorage.Bucket { return memory.New() })
}
