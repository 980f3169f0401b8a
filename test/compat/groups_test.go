package compat

import (
	"fmt"
	"slices"
	"strconv"
)

func (s *scenario) join(r request) {
	s.Helper()
	r.Op, r.Name = "join", s.prefix+r.Name
	s.do(r)
}

func (s *scenario) state(name string) answer {
	s.Helper()
	return s.do(request{Op: "state", Name: s.prefix + name})
}

func (s *scenario) leave(name string) {
	s.Helper()
	s.do(request{Op: "leave", Name: s.prefix + name})
}

func assigned(a answer) []int32 {
	var p []int32
	for _, tp := range a.Assignment {
		p = append(p, tp.Partition)
	}
	slices.Sort(p)
	return p
}

// wantShares waits until the members own all partitions between them, each the number given.
func (s *scenario) wantShares(partitions int, shares map[string]int) {
	s.Helper()
	s.until("assignment", func() string {
		var all []int32
		now := make(map[string][]int32)
		good := true
		for name, share := range shares {
			now[name] = assigned(s.state(name))
			all = append(all, now[name]...)
			good = good && len(now[name]) == share
		}
		slices.Sort(all)
		if good && len(slices.Compact(all)) == partitions {
			return ""
		}
		return fmt.Sprintf("%v, want %v of %d partitions", now, shares, partitions)
	})
}

// wantReceived waits until the members have, between them, each of the values; how often is not asked for: rebalances repeat what was not committed.
func (s *scenario) wantReceived(members []string, want []string) {
	s.Helper()
	s.until("records", func() string {
		got := make(map[string]bool)
		for _, name := range members {
			for _, v := range values(s.state(name).Records) {
				got[v] = true
			}
		}
		for _, v := range want {
			if !got[v] {
				return fmt.Sprintf("%d of %d came, %s did not", len(got), len(want), v)
			}
		}
		return ""
	})
}

func (s *scenario) produceTo(topic string, partitions int, values []string) {
	s.Helper()
	for p := range partitions {
		r := request{Op: "produce", Topic: topic, Partition: int32(p), Config: plain}
		for i := p; i < len(values); i += partitions {
			r.Records = append(r.Records, record{Value: []byte(values[i])})
		}
		s.do(r)
	}
}

// rebalance has two consumers, then three, then one, with records for each.
func rebalance(s *scenario, assignor string) {
	topic := s.topic("t", 6)
	member := request{Group: s.prefix, Topics: []string{topic}, Assignor: assignor}
	for _, name := range []string{"a", "b"} {
		member.Name = name
		s.join(member)
	}
	s.wantShares(6, map[string]int{"a": 3, "b": 3})
	s.produceTo(topic, 6, numbered("two", 30))
	s.wantReceived([]string{"a", "b"}, numbered("two", 30))

	member.Name = "c"
	s.join(member)
	s.wantShares(6, map[string]int{"a": 2, "b": 2, "c": 2})
	s.produceTo(topic, 6, numbered("three", 30))
	s.wantReceived([]string{"a", "b", "c"}, numbered("three", 30))

	s.leave("a")
	s.leave("c")
	s.wantShares(6, map[string]int{"b": 6})
	s.produceTo(topic, 6, numbered("one", 30))
	s.wantReceived([]string{"b"}, numbered("one", 30))
	s.leave("b")
}

// staticMembers restarts a static member within its session: it gets its partitions back and nobody else notices. A session that ends does move them.
func staticMembers(s *scenario) {
	topic := s.topic("t", 4)
	member := func(name string) request {
		return request{Name: name, Instance: s.prefix + "." + name, Group: s.prefix, Topics: []string{topic}, SessionTimeoutMS: 6_000}
	}
	s.join(member("a"))
	s.join(member("b"))
	s.wantShares(4, map[string]int{"a": 2, "b": 2})
	a, b := s.state("a"), s.state("b")

	s.leave("a") // a static member closes without leaving the group
	s.join(member("a"))
	s.wantShares(4, map[string]int{"a": 2, "b": 2})
	if again := s.state("a"); !slices.Equal(assigned(again), assigned(a)) {
		s.Errorf("after the restart partitions %v, want %v", assigned(again), assigned(a))
	}
	if now := s.state("b"); now.Rebalances != b.Rebalances {
		s.Errorf("the other member saw %d rebalances, want none", now.Rebalances-b.Rebalances)
	}
	s.produceTo(topic, 4, numbered("v", 8))
	s.wantReceived([]string{"a", "b"}, numbered("v", 8))

	s.leave("a")
	s.wantShares(4, map[string]int{"b": 4}) // when its session has ended
	s.leave("b")
}

func commitAndResume(s *scenario) {
	topic := s.topic("t", 1)
	all := numbered("v", 10)
	s.produce(topic, 0, all...)
	member := request{Group: s.prefix, Topics: []string{topic}}
	committed := func(want int64, metadata string) {
		s.Helper()
		got := s.do(request{Op: "committed", Group: s.prefix, Topic: topic})
		if got.Offset != want || got.Metadata != metadata {
			s.Errorf("committed %d %q, want %d %q", got.Offset, got.Metadata, want, metadata)
		}
	}

	member.Name = "first"
	s.join(member)
	s.wantReceived([]string{"first"}, all)
	committed(-1, "")
	s.do(request{Op: "commit", Name: s.prefix + "first", Offsets: []commit{{Topic: topic, Offset: 7, Metadata: "half way"}}})
	committed(7, "half way")
	s.leave("first")

	member.Name = "second"
	s.join(member)
	s.wantReceived([]string{"second"}, all[7:])
	if got := values(s.state("second").Records); !slices.Equal(got, all[7:]) {
		s.Errorf("resumed with %q, want %q", got, all[7:])
	}
	s.do(request{Op: "commit", Name: s.prefix + "second"})
	if got := s.do(request{Op: "committed", Group: s.prefix, Topic: topic}).Offset; got != 10 {
		s.Errorf("committed %d, want 10", got)
	}
	s.leave("second")

	member.Name = "third"
	s.join(member)
	s.wantShares(1, map[string]int{"third": 1})
	s.produce(topic, 0, "new")
	s.wantReceived([]string{"third"}, []string{"new"})
	if got := values(s.state("third").Records); !slices.Equal(got, []string{"new"}) {
		s.Errorf("resumed at the end with %q, want only the new record", got)
	}
	s.leave("third")
}

// disconnects writes with an idempotent producer while connections are cut in the middle of requests and answers: every record must be there once and in order.
func disconnects(s *scenario) {
	const records = 20_000
	topic := s.topic("t", 1)
	config := &producerConfig{Acks: "all", Codec: "none", Idempotent: true, LingerMS: 1, BatchBytes: 8 << 10}
	stop := s.sys.proxy.cut(42, 24<<10)
	a, err := s.try(request{Op: "produce_sequence", Topic: topic, Count: records, Config: config})
	cuts := stop()
	if err != nil {
		s.Fatalf("after %d cuts: %v", cuts, err)
	}
	if a.Acked != records || cuts < 5 {
		s.Errorf("%d records acknowledged with %d cuts, want %d with at least 5", a.Acked, cuts, records)
	}
	got := s.do(request{Op: "read", Topic: topic, Count: records, Offset: ptr(int64(0))}).Records
	s.wantOffset(topic, "latest", 0, records, -1) // and nothing else
	if len(got) != records {
		s.Errorf("read %d records, want %d", len(got), records)
	}
	for i, r := range got {
		if string(r.Value) != strconv.Itoa(i) || r.Offset != int64(i) {
			s.Fatalf("record %d at offset %d is %s", i, r.Offset, r.Value)
		}
	}
	s.Logf("%d cuts", cuts)
}
