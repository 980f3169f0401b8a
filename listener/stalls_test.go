package listener

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Producers that were cut off in the middle of their requests hold all credits. While nobody waits they keep what time they have; whoever waits is read within
// 10 seconds. One that comes on, however slowly, is not closed.
func TestStalledFramesGiveWayToThoseThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := servePipe(t, Config{ByteCredits: 1 << 20}, produceAPI(func(_ context.Context, r *Request) { r.Reply(kmsg.NewPtrProduceResponse()) }))
		whole := produce(9, 440<<10)
		stalled, slow, third := l.dial(t), l.dial(t), l.dial(t)
		frame := formatter.AppendRequest(nil, whole, 1)
		for _, c := range []*client{stalled, slow} {
			if _, err := c.Conn.Write(frame[:1000]); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(11 * time.Second)
		for _, c := range []*client{stalled, slow} {
			if _, err := c.Conn.Write(frame[1000:1001]); err != nil {
				t.Fatalf("closed though nobody waits: %v", err)
			}
		}

		began := time.Now()
		go third.send(3, whole)
		answered := make(chan time.Duration, 1)
		go func() {
			third.receive(versioned(kmsg.NewPtrProduceResponse(), 9))
			answered <- time.Since(began)
		}()
		for i := range 4 {
			time.Sleep(4 * time.Second)
			if _, err := slow.Conn.Write(frame[1001+i : 1002+i]); err != nil {
				t.Fatalf("one that comes on is closed after %v: %v", time.Since(began), err)
			}
		}
		select {
		case took := <-answered:
			if took > 10*time.Second {
				t.Errorf("the third waited %v for a frame that stood still", took)
			}
		default:
			t.Error("the third is not read")
		}
		if _, err := stalled.Conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the frame that stood still was not given up: %v", err)
		}
		_ = s.Close()
		synctest.Wait()
		if n := s.admission.inUse(); n != 0 {
			t.Errorf("%d bytes were not given back", n)
		}
	})
}
