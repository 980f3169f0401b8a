package listener

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func produceAPI(serve func(ctx context.Context, r *Request)) API {
	return API{Key: 0, MinVersion: 3, MaxVersion: 12, Serve: serve}
}

// A store that stands still holds the frames of producers, and those behind them wait. A member's heartbeat does not: its group would be rebalanced.
func TestSmallRequestsPassHeldProduce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := make(chan *Request, 10)
		s, l := servePipe(t, Config{ByteCredits: 1 << 20}, heartbeatAPI(func(_ context.Context, r *Request) { reply(r) }),
			produceAPI(func(_ context.Context, r *Request) { held <- r }))
		big := produce(9, 600<<10)
		first, second, third, member := l.dial(t), l.dial(t), l.dial(t), l.dial(t)
		first.send(1, big)
		store := <-held
		go second.send(2, big) // its body stays in the socket
		synctest.Wait()
		third.send(3, produce(9, 100)) // would fit into what is kept for others
		synctest.Wait()
		began := time.Now()
		for i := range 20 {
			member.send(int32(10+i), heartbeat("m"))
			member.receive(newHeartbeatResponse())
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("heartbeats waited %v for producers", took)
		}
		if len(held) > 0 {
			t.Error("a Produce passed those before it")
		}
		for _, c := range []*client{first, second, third} {
			store.Reply(kmsg.NewPtrProduceResponse())
			if c != third {
				store = <-held
			}
		}
		for _, c := range []*client{first, second, third} {
			c.receive(versioned(kmsg.NewPtrProduceResponse(), 9))
		}
		synctest.Wait()
		if n := s.admission.inUse(); n != 0 {
			t.Errorf("%d bytes were not given back", n)
		}
		_ = s.Close()
	})
}
