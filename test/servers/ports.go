package servers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// Ports that the kernel does not give to outgoing connections: Linux takes those from 32768 on, others from 49152 on.
const (
	firstPort = 15000
	lastPort  = 32767
	portTries = 200
)

// claims holds a UDP socket for each port that this process gave out. Test binaries run side by side; while a server is down between two of its lives nothing else shows
// that its TCP port is spoken for. The kernel frees a claim with the process, however it ends.
var claims struct {
	sync.Mutex
	held []net.PacketConn
}

// FreeAddress is a loopback address for a server that may be killed and started again: nobody listens there, no outgoing connection is given its port, and no other test is
// given it until this process ends.
func FreeAddress() (string, error) { return freeAddress(firstPort, lastPort, portTries) }

func freeAddress(first, last, tries int) (string, error) {
	var why error
	for range tries {
		address := fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(last-first+1))
		if why = claim(address); why == nil {
			return address, nil
		}
	}
	return "", fmt.Errorf("no free port on 127.0.0.1 between %d and %d in %d tries; end what uses them: %w", first, last, tries, why)
}

// claim takes the port, or says who else has it: another claim holds its UDP socket, a server its TCP listener.
func claim(address string) error {
	held, err := net.ListenPacket("udp4", address)
	if err != nil {
		return err
	}
	trial, err := net.Listen("tcp4", address)
	if err != nil {
		return errors.Join(err, held.Close())
	}
	if err := trial.Close(); err != nil {
		return errors.Join(err, held.Close())
	}
	claims.Lock()
	defer claims.Unlock()
	claims.held = append(claims.held, held)
	return nil
}
