package listener

import (
	"context"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func apiVersions(version int16, name string) *kmsg.ApiVersionsRequest {
	m := kmsg.NewPtrApiVersionsRequest()
	m.Version, m.ClientSoftwareName, m.ClientSoftwareVersion = version, name, "1.0-rc.1"
	return m
}

func TestApiVersionsTellsTheOwnTable(t *testing.T) {
	cfg := Config{Features: func() Features {
		zero, one := kmsg.NewApiVersionsResponseSupportedFeature(), kmsg.NewApiVersionsResponseSupportedFeature()
		zero.Name, zero.MaxVersion = "zero", 1
		one.Name, one.MinVersion, one.MaxVersion = "one", 1, 2
		return Features{Supported: []kmsg.ApiVersionsResponseSupportedFeature{zero, one}, FinalizedEpoch: 7}
	}}
	software := make(chan string, 10)
	nothing := func(_ context.Context, r *Request) {
		name, version := r.Conn.Software()
		software <- name + " " + version
		reply(r)
	}
	h := serve(t, cfg, heartbeatAPI(nothing), API{Key: 0, MinVersion: 3, MaxVersion: 13, Serve: nothing}, API{Key: 1000, Private: true, Serve: nothing})
	c := h.dial()
	for v := int16(0); v <= 4; v++ {
		c.send(int32(v), apiVersions(v, "franz-go"))
		m := kmsg.NewPtrApiVersionsResponse()
		m.Version = v
		if id := c.receive(m); id != int32(v) || m.ErrorCode != 0 {
			t.Fatalf("version %d: id %d, code %d", v, id, m.ErrorCode)
		}
		want := []kmsg.ApiVersionsResponseApiKey{{ApiKey: 0, MaxVersion: 13}, {ApiKey: 12, MaxVersion: 4}, {ApiKey: 17, MinVersion: 1, MaxVersion: 1}, {ApiKey: 18, MaxVersion: 4}, {ApiKey: 36, MaxVersion: 2}}
		if len(m.ApiKeys) != len(want) {
			t.Fatalf("version %d: %+v", v, m.ApiKeys)
		}
		for i, k := range m.ApiKeys {
			if k.ApiKey != want[i].ApiKey || k.MinVersion != want[i].MinVersion || k.MaxVersion != want[i].MaxVersion {
				t.Fatalf("version %d: %+v, want %+v", v, k, want[i])
			}
		}
		if n := len(m.SupportedFeatures); n != max(0, int(v)-2) {
			t.Fatalf("version %d tells %d features", v, n)
		}
		if v >= 3 && m.FinalizedFeaturesEpoch != 7 {
			t.Fatalf("version %d: epoch %d", v, m.FinalizedFeaturesEpoch)
		}
	}
	c.send(9, heartbeat("m"))
	c.receive(newHeartbeatResponse())
	if got := <-software; got != "franz-go 1.0-rc.1" {
		t.Fatalf("the client's software is %q", got)
	}
}

func TestApiVersionsOfAnUnknownVersionIsAnsweredInVersion0(t *testing.T) {
	h := serve(t, Config{}, heartbeatAPI(func(_ context.Context, r *Request) { reply(r) }))
	c := h.dial()
	for _, b := range [][]byte{
		{0, 0, 0, 10, 0, 18, 0, 99, 0, 0, 0, 5, 0xff, 0xff},
		{0, 0, 0, 8, 0, 18, 0xff, 0xff, 0, 0, 0, 5},
	} {
		c.write(b)
		m := kmsg.NewPtrApiVersionsResponse()
		if id := c.receive(m); id != 5 || m.ErrorCode != kerr.UnsupportedVersion.Code {
			t.Fatalf("id %d, code %d", id, m.ErrorCode)
		}
		if len(m.ApiKeys) != 1 || m.ApiKeys[0].ApiKey != 18 || m.ApiKeys[0].MaxVersion != 4 {
			t.Fatalf("keys %+v, want ApiVersions alone, as in Kafka", m.ApiKeys)
		}
	}
	c.send(6, heartbeat("m"))
	c.receive(newHeartbeatResponse())
}

func TestApiVersionsRefusesOddSoftwareNames(t *testing.T) {
	h := serve(t, Config{}, heartbeatAPI(func(_ context.Context, r *Request) { reply(r) }))
	c := h.dial()
	for _, name := range []string{"", "-x", "a b", "a\nb", "x."} {
		c.send(1, apiVersions(3, name))
		m := kmsg.NewPtrApiVersionsResponse()
		m.Version = 3
		if c.receive(m); m.ErrorCode != kerr.InvalidRequest.Code {
			t.Fatalf("name %q: code %d", name, m.ErrorCode)
		}
	}
}

func TestPrivateAPIsGetTheirBytes(t *testing.T) {
	bodies := make(chan string, 1)
	h := serve(t, Config{OutOfOrder: true}, API{Key: 1000, Private: true, MaxVersion: 1, Serve: func(_ context.Context, r *Request) {
		bodies <- string(r.Body) + " of " + r.ClientID
		r.ReplyWith(Response{Vector: [][]byte{[]byte("pong")}})
	}})
	c := h.dial()
	c.write([]byte("\x00\x00\x00\x0f\x03\xe8\x00\x01\x00\x00\x00\x07\x00\x01bping"))
	if id, rest := c.frame(); id != 7 || string(rest) != "pong" {
		t.Fatalf("id %d, %q", id, rest)
	}
	if got := <-bodies; got != "ping of b" {
		t.Fatalf("body %q", got)
	}
}
