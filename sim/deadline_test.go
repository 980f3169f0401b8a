package sim

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// A process whose clock is wrong waits for a request as long as one whose clock is right, also if the clock jumps meanwhile.
func TestDeadlinesOfWrongClocks(t *testing.T) {
	for _, skew := range []time.Duration{0, -5 * time.Minute, 5 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			here, there := net.Pipe()
			defer here.Close()
			defer there.Close()
			c := clockConn{here, &processClock{skew: skew}}
			began := time.Now()
			if err := c.SetReadDeadline(c.clock.Now().Add(30 * time.Second)); err != nil {
				t.Fatal(err)
			}
			c.clock.jump(time.Hour)
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != 30*time.Second {
				t.Errorf("skew %v: %v after %v", skew, err, time.Since(began))
			}
			if err := c.SetReadDeadline(time.Time{}); err != nil {
				t.Fatal(err)
			}
			go there.Write([]byte("x"))
			if n, err := c.Read(make([]byte, 1)); n != 1 {
				t.Error(err)
			}
		})
	}
}
