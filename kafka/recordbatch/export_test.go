package recordbatch

import "testing"

// SetMaxDecompressed lowers the limit for one test.
func SetMaxDecompressed(t *testing.T, n int) {
	maxDecompressed = n
	t.Cleanup(func() { maxDecompressed = MaxDecompressedBytes })
}
