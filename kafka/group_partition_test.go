package kafka

import "testing"

// The wanted values are Java's: Math.abs(group.hashCode()) % n, and 0 for Integer.MIN_VALUE.
func TestPartitionFor(t *testing.T) {
	for _, c := range []struct {
		group string
		n     int32
		want  int32
	}{
		{"", 50, 0},
		{"a", 50, 47},
		{"test-group", 50, 12},        // hash 627841412
		{"inkwell-brokers", 50, 23},   // hash -767145823
		{"größe", 50, 7},              // hash 98762257
		{"\U0001F600", 50, 49},        // two code units
		{"polygenelubricants", 50, 0}, // hash Integer.MIN_VALUE
	} {
		if got := PartitionFor(c.group, c.n); got != c.want {
			t.Errorf("PartitionFor(%q, %d) = %d, want %d", c.group, c.n, got, c.want)
		}
	}
}
