package groupcoordinator

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/metadata/groupcoordinator/state"
	"github.com/inkwell-project/inkwell/metadata/raftlog/raftlogtest"
	"github.com/inkwell-project/inkwell/rpc"
)

// The scenarios drive a whole coordinator in virtual time. Each command's output is what was answered until everything rests: an answer that
// a later event brings appears there. A client remembers its member id and generation, as a consumer does.
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		synctest.Test(t, func(t *testing.T) {
			s := newStory(t, Settings{InitialRebalanceDelay: 3 * time.Second, MaxSize: 3})
			defer s.close()
			datadriven.RunTest(t, path, s.run)
		})
	})
}

type story struct {
	t       *testing.T
	log     *raftlogtest.Log
	c       *Coordinator
	uuids   int
	clients map[string]*client

	mu      sync.Mutex // guards clients' memory and answers
	answers []string
	wg      sync.WaitGroup
}

type client struct {
	name       string
	memberID   string
	generation int32
	protocol   *string
}

func newStory(t *testing.T, settings Settings) *story {
	s := &story{t: t, log: raftlogtest.New(state.Machine{}), clients: map[string]*client{}}
	s.c = New(Config{Cluster: "dev", Log: s.log, Settings: settings, NewUUID: func() string {
		s.uuids++
		return strconv.Itoa(s.uuids)
	}})
	synctest.Wait()
	return s
}

func (s *story) close() {
	if err := s.c.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.wg.Wait()
}

func (s *story) client(name string) *client {
	if s.clients[name] == nil {
		s.clients[name] = &client{name: name, generation: -1}
	}
	return s.clients[name]
}

// send hands a request in and reports the answer whenever it comes.
func (s *story) send(cl *client, what string, req kmsg.Request, show func(kmsg.Response) string) {
	s.wg.Go(func() {
		resp, err := s.c.Handle(context.Background(), rpc.Client{ClientID: cl.name, Host: "/10.0.0.1"}, req)
		s.mu.Lock()
		defer s.mu.Unlock()
		if err != nil {
			s.answers = append(s.answers, fmt.Sprintf("%s %s: %v", cl.name, what, err))
			return
		}
		s.answers = append(s.answers, strings.TrimSpace(fmt.Sprintf("%s %s: %s", cl.name, what, show(resp))))
	})
}

// rest waits until nothing moves and returns the answers since the last time.
func (s *story) rest() string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := s.answers
	s.answers = nil
	sort.Strings(lines)
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

func errName(code int16) string {
	if err := kerr.TypedErrorForCode(code); err != nil {
		return err.Message
	}
	return "ok"
}

func deref(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

func has[T any](d *datadriven.TestData, name string, or T) T {
	for _, a := range d.CmdArgs {
		if a.Key == name && len(a.Vals) == 1 {
			switch p := any(&or).(type) {
			case *string:
				*p = a.Vals[0]
			case *int:
				*p, _ = strconv.Atoi(a.Vals[0])
			}
		}
	}
	return or
}

func instance(d *datadriven.TestData) *string {
	if d.HasArg("instance") {
		return kmsg.StringPtr(has(d, "instance", ""))
	}
	return nil
}

func (s *story) run(t *testing.T, d *datadriven.TestData) string {
	group := has(d, "group", "g")
	cl := s.client(has(d, "who", "admin"))
	switch d.Cmd {
	case "join":
		s.join(d, group, cl)
	case "sync":
		s.sync(d, group, cl)
	case "heartbeat":
		req := kmsg.NewPtrHeartbeatRequest()
		req.Version, req.Group, req.MemberID, req.InstanceID = 4, group, has(d, "member", cl.memberID), instance(d)
		req.Generation = int32(has(d, "generation", int(cl.generation)))
		s.send(cl, "heartbeat", req, func(r kmsg.Response) string { return errName(r.(*kmsg.HeartbeatResponse).ErrorCode) })
	case "leave":
		s.leave(d, group, cl)
	case "commit":
		s.commit(d, group, cl)
	case "fetch":
		s.fetch(d, group, cl)
	case "describe", "list", "delete-groups", "delete-offsets":
		s.admin(d, group, cl)
	case "forget": // the process restarts
		cl.memberID, cl.generation = "", -1
	case "advance":
		dur, err := time.ParseDuration(d.CmdArgs[0].Key)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(dur)
	case "topics-deleted":
		if err := s.c.OnTopicsDeleted(context.Background(), strings.Fields(d.Input)); err != nil {
			return err.Error() + "\n"
		}
	case "hold":
		s.log.Hold()
	case "release":
		s.log.Release()
	case "fail":
		s.log.Inject(raftlogtest.Fault{Err: kafka.ErrUnknownOutcome, Applied: d.HasArg("applied")})
	case "leader":
		s.log.SetLeader(d.HasArg("on"))
	default:
		t.Fatalf("unknown command %q", d.Cmd)
	}
	return s.rest()
}

func (s *story) join(d *datadriven.TestData, group string, cl *client) {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version = int16(has(d, "version", 9))
	req.Group, req.MemberID, req.InstanceID = group, has(d, "member", cl.memberID), instance(d)
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = int32(has(d, "session", 10000)), int32(has(d, "rebalance", 60000))
	req.ProtocolType = has(d, "type", "consumer")
	for _, p := range strings.Split(has(d, "protocols", "range"), "+") {
		rp := kmsg.NewJoinGroupRequestProtocol()
		rp.Name = p
		m := kmsg.NewConsumerMemberMetadata()
		m.Topics = []string{has(d, "topic", "orders")}
		rp.Metadata = m.AppendTo(nil)
		req.Protocols = append(req.Protocols, rp)
	}
	s.send(cl, "join", req, func(resp kmsg.Response) string {
		r := resp.(*kmsg.JoinGroupResponse)
		if r.ErrorCode != 0 {
			if r.ErrorCode == kerr.MemberIDRequired.Code {
				cl.memberID = r.MemberID
			}
			return fmt.Sprintf("%s member=%s", errName(r.ErrorCode), r.MemberID)
		}
		cl.memberID, cl.generation, cl.protocol = r.MemberID, r.Generation, r.Protocol
		out := fmt.Sprintf("generation=%d member=%s leader=%s protocol=%s", r.Generation, r.MemberID, r.LeaderID, deref(r.Protocol))
		if len(r.Members) > 0 {
			out += " members="
			for i, m := range r.Members {
				out += map[bool]string{true: "+"}[i > 0] + m.MemberID
			}
		}
		if r.SkipAssignment {
			out += " skip-assignment"
		}
		return out
	})
}

func (s *story) sync(d *datadriven.TestData, group string, cl *client) {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Version = int16(has(d, "version", 5))
	req.Group, req.MemberID, req.InstanceID = group, has(d, "member", cl.memberID), instance(d)
	req.Generation = int32(has(d, "generation", int(cl.generation)))
	req.ProtocolType, req.Protocol = kmsg.StringPtr(has(d, "type", "consumer")), kmsg.StringPtr(has(d, "protocol", "range"))
	if d.HasArg("unnamed") {
		req.ProtocolType, req.Protocol = nil, nil
	}
	for _, pair := range strings.Fields(d.Input) {
		who, what, _ := strings.Cut(pair, "=")
		a := kmsg.NewSyncGroupRequestGroupAssignment()
		a.MemberID, a.MemberAssignment = s.client(who).memberID, []byte(what)
		req.GroupAssignment = append(req.GroupAssignment, a)
	}
	s.send(cl, "sync", req, func(resp kmsg.Response) string {
		r := resp.(*kmsg.SyncGroupResponse)
		if r.ErrorCode != 0 {
			return errName(r.ErrorCode)
		}
		return fmt.Sprintf("assigned %q", r.MemberAssignment)
	})
}

func (s *story) leave(d *datadriven.TestData, group string, cl *client) {
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Version, req.Group = int16(has(d, "version", 5)), group
	req.MemberID = cl.memberID
	members := strings.Fields(d.Input)
	if len(members) == 0 {
		m := kmsg.NewLeaveGroupRequestMember()
		m.MemberID, m.InstanceID = cl.memberID, instance(d)
		req.Members = append(req.Members, m)
	}
	for _, member := range members { // of an operator: member ids, or instance ids
		m := kmsg.NewLeaveGroupRequestMember()
		if name, ok := strings.CutPrefix(member, "instance:"); ok {
			m.InstanceID = &name
		} else {
			m.MemberID = member
		}
		req.Members = append(req.Members, m)
	}
	s.send(cl, "leave", req, func(resp kmsg.Response) string {
		r := resp.(*kmsg.LeaveGroupResponse)
		out := errName(r.ErrorCode)
		for _, m := range r.Members {
			out += fmt.Sprintf(" [%s %s %s]", m.MemberID, deref(m.InstanceID), errName(m.ErrorCode))
		}
		return out
	})
}

func (s *story) commit(d *datadriven.TestData, group string, cl *client) {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group = int16(has(d, "version", 9)), group
	req.MemberID, req.InstanceID = has(d, "member", cl.memberID), instance(d)
	req.Generation = int32(has(d, "generation", int(cl.generation)))
	req.RetentionTimeMillis = int64(has(d, "retention", -1))
	for line := range strings.Lines(d.Input) {
		t, p := kmsg.NewOffsetCommitRequestTopic(), kmsg.NewOffsetCommitRequestTopicPartition()
		if _, err := fmt.Sscanf(line, "%s %d %d", &t.Topic, &p.Partition, &p.Offset); err != nil {
			d.Fatalf(s.t, "%q: %v", line, err)
		}
		p.Metadata = kmsg.StringPtr(strings.Repeat("ä", has(d, "metadata", 0)))
		t.Partitions = append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
	}
	s.send(cl, "commit", req, func(resp kmsg.Response) string {
		var out []string
		for _, t := range resp.(*kmsg.OffsetCommitResponse).Topics {
			for _, p := range t.Partitions {
				out = append(out, fmt.Sprintf("%s-%d %s", t.Topic, p.Partition, errName(p.ErrorCode)))
			}
		}
		return strings.Join(out, ", ")
	})
}

func (s *story) fetch(d *datadriven.TestData, group string, cl *client) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version, req.RequireStable = int16(has(d, "version", 9)), true
	rg := kmsg.NewOffsetFetchRequestGroup()
	rg.Group = group
	req.Group = group
	for line := range strings.Lines(d.Input) {
		t := kmsg.NewOffsetFetchRequestGroupTopic()
		t.Partitions = []int32{0}
		fmt.Sscanf(line, "%s %d", &t.Topic, &t.Partitions[0])
		rg.Topics = append(rg.Topics, t)
		old := kmsg.NewOffsetFetchRequestTopic()
		old.Topic, old.Partitions = t.Topic, t.Partitions
		req.Topics = append(req.Topics, old)
	}
	req.Groups = []kmsg.OffsetFetchRequestGroup{rg}
	s.send(cl, "fetch", req, func(resp kmsg.Response) string {
		r := resp.(*kmsg.OffsetFetchResponse)
		var out []string
		show := func(topic string, partition int32, offset int64, code int16) {
			out = append(out, fmt.Sprintf("%s-%d=%d%s", topic, partition, offset, map[bool]string{true: " " + errName(code)}[code != 0]))
		}
		for _, g := range r.Groups {
			if g.ErrorCode != 0 {
				out = append(out, errName(g.ErrorCode))
			}
			for _, t := range g.Topics {
				for _, p := range t.Partitions {
					show(t.Topic, p.Partition, p.Offset, p.ErrorCode)
				}
			}
		}
		if r.ErrorCode != 0 {
			out = append(out, errName(r.ErrorCode))
		}
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				show(t.Topic, p.Partition, p.Offset, p.ErrorCode)
			}
		}
		return strings.Join(out, " ")
	})
}

func (s *story) admin(d *datadriven.TestData, group string, cl *client) {
	switch d.Cmd {
	case "describe":
		req := kmsg.NewPtrDescribeGroupsRequest()
		req.Version, req.Groups = int16(has(d, "version", 6)), []string{group}
		s.send(cl, "describe", req, func(resp kmsg.Response) string {
			g := resp.(*kmsg.DescribeGroupsResponse).Groups[0]
			out := fmt.Sprintf("%s %s type=%s protocol=%s", errName(g.ErrorCode), g.State, g.ProtocolType, g.Protocol)
			for _, m := range g.Members {
				out += fmt.Sprintf(" [%s %s client=%s host=%s assigned=%q]", m.MemberID, deref(m.InstanceID), m.ClientID, m.ClientHost, m.MemberAssignment)
			}
			return out
		})
	case "list":
		req := kmsg.NewPtrListGroupsRequest()
		req.Version = 5
		if d.HasArg("states") {
			req.StatesFilter = strings.Split(has(d, "states", ""), "+")
		}
		if d.HasArg("types") {
			req.TypesFilter = strings.Split(has(d, "types", ""), "+")
		}
		s.send(cl, "list", req, func(resp kmsg.Response) string {
			r := resp.(*kmsg.ListGroupsResponse)
			out := errName(r.ErrorCode)
			for _, g := range r.Groups {
				out += fmt.Sprintf(" [%s %s %s %s]", g.Group, g.ProtocolType, g.GroupState, g.GroupType)
			}
			return out
		})
	case "delete-groups":
		req := kmsg.NewPtrDeleteGroupsRequest()
		req.Version, req.Groups = 2, []string{group}
		s.send(cl, "delete-groups", req, func(resp kmsg.Response) string {
			return errName(resp.(*kmsg.DeleteGroupsResponse).Groups[0].ErrorCode)
		})
	case "delete-offsets":
		req := kmsg.NewPtrOffsetDeleteRequest()
		req.Group = group
		for line := range strings.Lines(d.Input) {
			t, p := kmsg.NewOffsetDeleteRequestTopic(), kmsg.NewOffsetDeleteRequestTopicPartition()
			fmt.Sscanf(line, "%s %d", &t.Topic, &p.Partition)
			t.Partitions = append(t.Partitions, p)
			req.Topics = append(req.Topics, t)
		}
		s.send(cl, "delete-offsets", req, func(resp kmsg.Response) string {
			r := resp.(*kmsg.OffsetDeleteResponse)
			out := []string{errName(r.ErrorCode)}
			for _, t := range r.Topics {
				for _, p := range t.Partitions {
					out = append(out, fmt.Sprintf("%s-%d %s", t.Topic, p.Partition, errName(p.ErrorCode)))
				}
			}
			return strings.Join(slices.Clip(out), ", ")
		})
	}
}
