package e2e

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/inkwell-project/inkwell/kafka/recordbatch/recordbatchtest"
)

func loopback(t *testing.T) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// neighbour produces and consumes all the time, on connections of its own. What others send must never reach it.
func neighbour(t *testing.T, c *cluster) (finish func()) {
	createTopic(t, c, "neighbour", 2, nil)
	writer := c.client(t, kgo.DefaultProduceTopic("neighbour"), kgo.RecordRetries(0), kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1))
	reader := c.client(t, kgo.ConsumeTopics("neighbour"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	ctx, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	produced := 0
	work.Go(func() {
		for ctx.Err() == nil {
			if err := writer.ProduceSync(t.Context(), &kgo.Record{Value: []byte("fine")}).FirstErr(); err != nil {
				t.Errorf("a neighbour's record: %v", err)
			}
			produced++
		}
	})
	return func() {
		t.Helper()
		stop()
		work.Wait()
		if got := len(poll(t, reader, produced)); got != produced || produced == 0 {
			t.Errorf("the neighbour wrote %d records and read %d", produced, got)
		}
	}
}

// TestBadFrames: the connection that sends them is closed or answered, the others go on.
func TestBadFrames(t *testing.T) {
	c := newCluster(t, loopback(t))
	finish := neighbour(t, c)
	random := rand.New(rand.NewPCG(1, 2))
	noise := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	frame := func(body []byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	}
	request := func(key, version int16, rest []byte) []byte {
		h := binary.BigEndian.AppendUint16(nil, uint16(key))
		h = binary.BigEndian.AppendUint16(h, uint16(version))
		h = append(h, 0, 0, 0, 7, 0, 1, 'x')
		return frame(append(h, rest...))
	}
	cases := map[string][]byte{
		"an HTTP request":             []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"a length of 2 GiB":           {0x7f, 0xff, 0xff, 0xff, 1, 2, 3},
		"a negative length":           {0xff, 0xff, 0xff, 0xff},
		"no length":                   {0, 0, 0, 0},
		"a frame of one byte":         frame([]byte{0}),
		"an unknown API":              request(999, 0, nil),
		"a negative API":              request(-1, 0, nil),
		"Produce v99":                 request(0, 99, noise(50)),
		"Produce v2":                  request(0, 2, noise(50)),
		"Fetch v1":                    request(1, 1, noise(50)),
		"LeaderAndIsr of old brokers": request(4, 0, noise(50)),
		"a client id of 32 KiB":       frame([]byte{0, 3, 0, 9, 0, 0, 0, 1, 0x7f, 0xff, 'x'}),
		"array of 2 billion topics":   request(3, 8, []byte{0x7f, 0xff, 0xff, 0xff}),
		"varint array of 4 billion":   frame([]byte{0, 3, 0, 12, 0, 0, 0, 1, 0, 1, 'x', 0, 0xff, 0xff, 0xff, 0xff, 0x0f}),
	}
	for key := range int16(90) {
		cases["noise after "+kmsg.NameForKey(key)] = request(key, int16(random.IntN(12)), noise(random.IntN(200)))
	}
	for i := range 20 {
		cases["noise "+string(rune('a'+i))] = noise(1 + random.IntN(5000))
	}
	for name, bytes := range cases {
		sendRaw(t, c, name, bytes)
	}
	finish()
}

// sendRaw returns when the broker closed the connection or answered; a frame that has not come to its end is ended by us.
func sendRaw(t *testing.T, c *cluster, name string, bytes []byte) {
	conn, err := net.Dial("tcp", "127.0.0.1:"+portOf(c.broker))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(bytes); err != nil {
		return // closed while we wrote
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return
	}
	_, err = io.Copy(io.Discard, conn)
	if errors.Is(err, context.DeadlineExceeded) || err != nil && strings.Contains(err.Error(), "timeout") {
		t.Errorf("%s: neither answered nor closed", name)
	}
}

// TestBadBatches: Kafka's code for the partition, nothing stored.
func TestBadBatches(t *testing.T) {
	c := newCluster(t, loopback(t))
	finish := neighbour(t, c)
	createTopic(t, c, "bad", 1, nil)
	good := func() []byte { return []byte(recordbatchtest.Simple(5, 100, time.Now().UnixMilli())) }
	change := func(f func(b []byte)) []byte {
		b := good()
		f(b)
		return b
	}
	for _, tc := range []struct {
		name  string
		batch []byte
		want  *kerr.Error
	}{
		{"a flipped bit", change(func(b []byte) { b[len(b)-1] ^= 1 }), kerr.CorruptMessage},
		{"a wrong checksum", change(func(b []byte) { b[17] ^= 1 }), kerr.CorruptMessage},
		{"magic 1", change(func(b []byte) { b[16] = 1 }), kerr.InvalidRecord},
		{"magic 77", change(func(b []byte) { b[16] = 77 }), kerr.CorruptMessage},
		{"cut off", good()[:80], kerr.InvalidRecord},
		{"a length of 2 GiB", change(func(b []byte) { copy(b[8:], []byte{0x7f, 0xff, 0xff, 0xff}) }), kerr.InvalidRecord},
		{"a negative length", change(func(b []byte) { copy(b[8:], []byte{0xff, 0xff, 0xff, 0xff}) }), kerr.CorruptMessage},
		{"two batches", append(good(), good()...), kerr.InvalidRecord},
		{"larger than max.message.bytes", []byte(recordbatchtest.Simple(3, 1<<20, time.Now().UnixMilli())), kerr.MessageTooLarge},
		{"nothing", []byte{}, kerr.InvalidRecord},
		{"a flood of zeros", make([]byte, 100_000), kerr.CorruptMessage},
	} {
		if err := produceRaw(t, c, "bad", tc.batch); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
	if err := produceRaw(t, c, "bad", good()); err != nil {
		t.Errorf("a good batch after all the bad ones: %v", err)
	}
	if records := readFromStart(t, c, "bad", 5); len(records) != 5 || records[0].Offset != 0 {
		t.Errorf("%d records are there, the first at %d", len(records), records[0].Offset)
	}
	finish()
}

// rawTimeout is what the requests of produceRaw ask for.
const rawTimeout = 5 * time.Second

// produceRaw sends one batch as it is and returns the partition's code.
func produceRaw(t *testing.T, c *cluster, topic string, batch []byte) error {
	t.Helper()
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, int32(rawTimeout.Milliseconds())
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Records = batch
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(int16(kmsg.Produce), 12) // later ones name topics by id
	client := c.client(t, kgo.MaxVersions(versions))
	defer client.Close()
	resp, err := client.Broker(1).Request(t.Context(), req)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode)
}

func TestBadAdminRequests(t *testing.T) {
	c := newCluster(t, loopback(t))
	finish := neighbour(t, c)
	admin := c.admin(t)
	for _, tc := range []struct {
		topic      string
		partitions int32
		want       *kerr.Error
	}{
		{"", 1, kerr.InvalidTopicException},
		{".", 1, kerr.InvalidTopicException},
		{"..", 1, kerr.InvalidTopicException},
		{"a/b", 1, kerr.InvalidTopicException},
		{"grüße", 1, kerr.InvalidTopicException},
		{strings.Repeat("x", 250), 1, kerr.InvalidTopicException},
		{strings.Repeat("x", 30_000), 1, kerr.InvalidTopicException},
		{"many", 1<<31 - 1, kerr.PolicyViolation},
		{"none", 0, kerr.InvalidPartitions},
		{"fewer", -7, kerr.InvalidPartitions},
		{"neighbour", 1, kerr.TopicAlreadyExists},
	} {
		if _, err := admin.CreateTopic(t.Context(), tc.partitions, 1, nil, tc.topic); !errors.Is(err, tc.want) {
			t.Errorf("topic %.20q with %d partitions: %v, want %v", tc.topic, tc.partitions, err, tc.want)
		}
	}
	if _, err := admin.CreateTopic(t.Context(), 1, 100, nil, "copies"); !errors.Is(err, kerr.InvalidReplicationFactor) {
		t.Errorf("100 replicas: %v", err)
	}
	silly := "silly"
	if _, err := admin.CreateTopic(t.Context(), 1, 1, map[string]*string{"retention.ms": &silly}, "configured"); !errors.Is(err, kerr.InvalidConfig) {
		t.Errorf("retention.ms=silly: %v", err)
	}
	if _, err := admin.CreateTopic(t.Context(), 1, 1, map[string]*string{"no.such": &silly}, "configured"); !errors.Is(err, kerr.InvalidConfig) {
		t.Errorf("no.such=silly: %v", err)
	}
	created, err := admin.UpdatePartitions(t.Context(), 1<<31-1, "neighbour")
	if err == nil {
		err = created.Error()
	}
	if !errors.Is(err, kerr.InvalidPartitions) {
		t.Errorf("2 billion partitions: %v", err)
	}
	details, err := admin.ListTopics(t.Context())
	if err != nil || len(details) > 2 {
		t.Errorf("topics in the end: %v, %v", details.Names(), err)
	}
	finish()
}
