package listener

import "testing"

func TestCreditsOfOneThatGivesUpGoToTheNext(t *testing.T) {
	c := newCredits(100)
	if !c.acquire(60, nil, nil) {
		t.Fatal("refused")
	}
	gone, got := make(chan struct{}), make(chan bool)
	go func() { got <- c.acquire(80, gone, nil) }()
	waitFor(t, func() bool { c.mu.Lock(); defer c.mu.Unlock(); return len(c.waiting) == 1 })
	next := make(chan bool)
	go func() { next <- c.acquire(40, nil, nil) }()
	waitFor(t, func() bool { c.mu.Lock(); defer c.mu.Unlock(); return len(c.waiting) == 2 })
	close(gone)
	if <-got {
		t.Fatal("granted without credits")
	}
	if !<-next || c.inUse.Load() != 100 {
		t.Fatalf("the next in line got nothing; %d in use", c.inUse.Load())
	}
	c.BufferReleased(60)
	c.BufferReleased(40)
	if c.free != 100 || c.inUse.Load() != 0 {
		t.Fatalf("%d are free at the end", c.free)
	}
}

func TestCreditsGrantedWhileGivingUpAreNotLost(t *testing.T) {
	for range 200 {
		c := newCredits(10)
		c.acquire(10, nil, nil)
		gone, got := make(chan struct{}), make(chan bool)
		go func() { got <- c.acquire(10, gone, nil) }()
		waitFor(t, func() bool { c.mu.Lock(); defer c.mu.Unlock(); return len(c.waiting) == 1 })
		go close(gone)
		c.BufferReleased(10)
		if <-got {
			c.BufferReleased(10)
		}
		if c.free != 10 {
			t.Fatalf("%d are free at the end", c.free)
		}
	}
}
