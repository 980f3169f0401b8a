package compat

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestOneBatchOfMany sends a good batch and one that is not, to two topics: what is wrong with the second decides whether the first is appended.
func TestOneBatchOfMany(t *testing.T) {
	onEverySystem(t, func(t *testing.T, client *kgo.Client) {
		good, bad := createRaw(t, client, "many-good"), createRaw(t, client, "many-bad")
		for _, c := range []struct {
			name  string
			batch []byte
			want  string
		}{
			{"a transaction without a transactional id", transactional(), "[TRANSACTIONAL_ID_AUTHORIZATION_FAILED TRANSACTIONAL_ID_AUTHORIZATION_FAILED]"},
			{"zeros", make([]byte, 1000), "[CORRUPT_MESSAGE CORRUPT_MESSAGE]"},
			{"magic 77", changed(func(b []byte) { b[16] = 77 }), "[CORRUPT_MESSAGE CORRUPT_MESSAGE]"},
			{"a wrong CRC", corrupt(oneBatch()), "[NONE CORRUPT_MESSAGE]"},
			{"half a batch", oneBatch()[:40], "[NONE INVALID_RECORD]"},
			{"magic 1", changed(func(b []byte) { b[16] = 1 }), "[NONE INVALID_RECORD]"},
			{"zeros after a batch", append(oneBatch(), make([]byte, 100)...), "[NONE CORRUPT_MESSAGE]"},
			{"a transaction after a batch", append(oneBatch(), transactional()...), "[NONE INVALID_RECORD]"},
		} {
			t.Run(c.name, func(t *testing.T) {
				request := rawProduce(good, 0, oneBatch()).(*kmsg.ProduceRequest)
				request.Topics = append(request.Topics, rawProduce(bad, 0, c.batch).(*kmsg.ProduceRequest).Topics...)
				response := askRaw(t, client, request)
				byID := map[[16]byte]int16{}
				for _, topic := range response.(*kmsg.ProduceResponse).Topics {
					byID[topic.TopicID] = topic.Partitions[0].ErrorCode
				}
				var got codes
				got.add(byID[good])
				got.add(byID[bad])
				if got.String() != c.want {
					t.Errorf("%s, want %s", got, c.want)
				}
			})
		}
	})
}

// transactional is a batch of one record that says it belongs to a transaction.
func transactional() []byte {
	batch := idempotent(81, 0, 0)
	const attributesLowAt = 22
	batch[attributesLowAt] |= 0x10
	return summed(batch)
}
