package recordbatch_test

import (
	"testing"

	"github.com/inkwell-project/inkwell/kafka/recordbatch"
	"github.com/inkwell-project/inkwell/kafka/recordbatch/recordbatchtest"
)

func TestColdCRCIsTheCRC(t *testing.T) {
	for _, valueBytes := range []int{0, 1, 63, 64, 255, 256, 1000, 16_000, 16 << 10, 16<<10 + 1, 100_000, 1 << 20} {
		b := recordbatchtest.Simple(1, valueBytes, 1000)
		if b.ComputeColdCRC() != b.CRC() || b.ComputeCRC() != b.CRC() {
			t.Errorf("a value of %d bytes: %08x, want %08x", valueBytes, b.ComputeColdCRC(), b.CRC())
		}
		b[len(b)-1] ^= 1
		if b.ComputeColdCRC() == b.CRC() {
			t.Errorf("a value of %d bytes: damage at the end is not seen", valueBytes)
		}
	}
}

func BenchmarkCRCOfColdBytes(b *testing.B) {
	const size, count = 128 << 10, 512
	one := recordbatchtest.Simple(1, size, 1000)
	var all []recordbatch.Batch
	for range count {
		all = append(all, append(recordbatch.Batch(nil), one...))
	}
	for name, crc := range map[string]func(recordbatch.Batch) uint32{"plain": recordbatch.Batch.ComputeCRC, "cold": recordbatch.Batch.ComputeColdCRC} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(one)) * count)
			for b.Loop() {
				for _, x := range all {
					crc(x)
				}
			}
		})
	}
}
