package listener

import (
	"context"
	"io"
	"log/slog"
	"net"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func benchServer(b *testing.B, serve func(context.Context, *Request), api API) net.Conn {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	api.Serve = serve
	s, err := New(Config{Name: "BENCH", Listener: nl, APIs: []API{api}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Start(); err != nil {
		b.Fatal(err)
	}
	c, err := net.Dial("tcp", nl.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = c.Close()
		_ = s.Close()
	})
	return c
}

func benchRequests(b *testing.B, c net.Conn, frame []byte) {
	b.ReportAllocs()
	b.ResetTimer()
	go func() {
		for range b.N {
			if _, err := c.Write(frame); err != nil {
				return
			}
		}
	}()
	client := &client{nil, c}
	var size [4]byte
	for range b.N {
		if _, err := io.ReadFull(client, size[:]); err != nil {
			b.Fatal(err)
		}
		n := int64(size[0])<<24 | int64(size[1])<<16 | int64(size[2])<<8 | int64(size[3])
		if _, err := io.CopyN(io.Discard, client, n); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkProduce(b *testing.B) {
	for name, n := range map[string]int{"16KiB": 16 << 10, "1MiB": 1 << 20} {
		b.Run(name, func(b *testing.B) {
			c := benchServer(b, func(_ context.Context, r *Request) { r.Reply(kmsg.NewPtrProduceResponse()) }, API{Key: 0, MinVersion: 3, MaxVersion: 13})
			frame := formatter.AppendRequest(nil, produce(9, n), 1)
			b.SetBytes(int64(len(frame)))
			benchRequests(b, c, frame)
		})
	}
}

func BenchmarkFetchVector(b *testing.B) {
	record := make([]byte, 128<<10)
	c := benchServer(b, func(_ context.Context, r *Request) {
		r.ReplyWith(Response{Vector: net.Buffers{make([]byte, 100), record, record, record, record, record, record, record, record}})
	}, API{Key: 1, MinVersion: 4, MaxVersion: 18})
	m := kmsg.NewPtrFetchRequest()
	m.Version = 12
	b.SetBytes(1 << 20)
	benchRequests(b, c, formatter.AppendRequest(nil, m, 1))
}
