package kafka_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/inkwell-project/inkwell/kafka"
)

func TestObjectKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := kafka.ObjectID{Epoch: rapid.Int64Min(0).Draw(t, "epoch"), Sequence: rapid.Int64Min(0).Draw(t, "sequence")}
		key := id.Key("c1")
		if got, ok := kafka.ParseObjectKey("c1", key); !ok || got != id {
			t.Fatal(key, got, ok)
		}
		in := 0
		for _, prefix := range kafka.EpochPrefixes("c1", id.Epoch) {
			if strings.HasPrefix(key, prefix) {
				in++
			}
		}
		if in != 1 {
			t.Fatalf("%s is in %d of the prefixes", key, in)
		}
		for _, other := range []string{key + "x", "x" + key, key[1:], strings.ToUpper(key), strings.Replace(key, "c1/0", "c1/1", 1) + "/", "", "c2" + key[2:]} {
			if got, ok := kafka.ParseObjectKey("c1", other); ok && other != key {
				t.Fatal(other, got)
			}
		}
	})
}
