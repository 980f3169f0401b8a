package listener

import (
	"context"
	"math/rand/v2"
	"net"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Frames with random damage, on many connections at once: nothing panics, nothing leaks (serve checks), and a good client is served throughout.
func TestGarbageHarmsNobodyElse(t *testing.T) {
	h := serve(t, Config{MaxRequestBytes: 100_000, ByteCredits: 300_000},
		heartbeatAPI(func(_ context.Context, r *Request) { reply(r) }),
		API{Key: 0, MinVersion: 3, MaxVersion: 13, Serve: func(_ context.Context, r *Request) { go r.Reply(kmsg.NewPtrProduceResponse()) }})
	good := h.dial()
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range 200 {
		c, err := net.Dial("tcp", h.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		frame := formatter.AppendRequest(nil, heartbeat("m"), 1)
		if i%2 == 0 {
			frame = formatter.AppendRequest(nil, produce(9, 2000), 1)
		}
		for range 1 + rng.IntN(4) {
			frame[rng.IntN(min(len(frame), 60))] = byte(rng.Uint32())
		}
		_, _ = c.Write(frame[:len(frame)-rng.IntN(2)*rng.IntN(len(frame))])
		_ = c.Close()
		good.send(int32(i), heartbeat("m"))
		if id := good.receive(newHeartbeatResponse()); id != int32(i) {
			t.Fatalf("answer %d, want %d", id, i)
		}
	}
}
