package servers

import (
	"net"
	"strconv"
	"strings"
	"testing"
)

func portOf(t *testing.T, address string) int {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestFreeAddressIsClaimed: an address is given once, can be listened on again and again, and lies where the kernel gives no port to an outgoing connection.
func TestFreeAddressIsClaimed(t *testing.T) {
	given := map[string]bool{}
	for range 100 {
		address, err := FreeAddress()
		if err != nil {
			t.Fatal(err)
		}
		if given[address] {
			t.Fatalf("%s was given twice", address)
		}
		given[address] = true
		if p := portOf(t, address); p < firstPort || p > lastPort {
			t.Errorf("port %d is outside %d to %d", p, firstPort, lastPort)
		}
		for range 2 { // as a server that is started again
			l, err := net.Listen("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
		}
		// What another process's claim would meet.
		if other, err := net.ListenPacket("udp4", address); err == nil {
			other.Close()
			t.Errorf("%s is not claimed", address)
		}
	}
}

// TestFreeAddressPassesOver: a claimed port and one that a server listens on are not given; that none is left is said within a bound.
func TestFreeAddressPassesOver(t *testing.T) {
	claimed, err := FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := freeAddress(portOf(t, claimed), portOf(t, claimed), 3); err == nil {
		t.Errorf("%s was given twice", claimed)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := portOf(t, l.Addr().String())
	_, err = freeAddress(p, p, 3)
	if err == nil || !strings.Contains(err.Error(), "between "+strconv.Itoa(p)+" and ") || !strings.Contains(err.Error(), "in 3 tries") {
		t.Errorf("the port of a listener: %v", err)
	}
	// The claim that failed is not kept.
	u, err := net.ListenPacket("udp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	u.Close()
}
