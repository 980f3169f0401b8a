package api

import (
	"flag"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/listener"
)

var update = flag.Bool("update", false, "write the README's table of APIs")

// versions is a range of versions of one API.
type versions struct{ low, high int16 }

// kafka43 is what a broker of Apache Kafka 4.3 tells in ApiVersions.
var kafka43 = map[int16]versions{
	0:  {0, 13}, // Produce
	1:  {4, 18}, // Fetch
	2:  {1, 11}, // ListOffsets
	3:  {0, 13}, // Metadata
	8:  {2, 10}, // OffsetCommit
	9:  {1, 10}, // OffsetFetch
	10: {0, 6},  // FindCoordinator
	11: {0, 9},  // JoinGroup
	12: {0, 4},  // Heartbeat
	13: {0, 5},  // LeaveGroup
	14: {0, 5},  // SyncGroup
	15: {0, 6},  // DescribeGroups
	16: {0, 5},  // ListGroups
	17: {0, 1},  // SaslHandshake
	18: {0, 4},  // ApiVersions
	19: {2, 7},  // CreateTopics
	20: {1, 6},  // DeleteTopics
	21: {0, 2},  // DeleteRecords
	22: {0, 5},  // InitProducerId
	23: {2, 4},  // OffsetForLeaderEpoch
	24: {0, 5},  // AddPartitionsToTxn
	25: {0, 4},  // AddOffsetsToTxn
	26: {0, 5},  // EndTxn
	27: {1, 2},  // WriteTxnMarkers
	28: {0, 5},  // TxnOffsetCommit
	29: {1, 3},  // DescribeAcls
	30: {1, 3},  // CreateAcls
	31: {1, 3},  // DeleteAcls
	32: {1, 4},  // DescribeConfigs
	33: {0, 2},  // AlterConfigs
	34: {1, 2},  // AlterReplicaLogDirs
	35: {1, 5},  // DescribeLogDirs
	36: {0, 2},  // SaslAuthenticate
	37: {0, 3},  // CreatePartitions
	38: {1, 3},  // CreateDelegationToken
	39: {1, 2},  // RenewDelegationToken
	40: {1, 2},  // ExpireDelegationToken
	41: {1, 3},  // DescribeDelegationToken
	42: {0, 2},  // DeleteGroups
	43: {0, 2},  // ElectLeaders
	44: {0, 1},  // IncrementalAlterConfigs
	45: {0, 1},  // AlterPartitionReassignments
	46: {0, 0},  // ListPartitionReassignments
	47: {0, 0},  // OffsetDelete
	48: {0, 1},  // DescribeClientQuotas
	49: {0, 1},  // AlterClientQuotas
	50: {0, 0},  // DescribeUserScramCredentials
	51: {0, 0},  // AlterUserScramCredentials
	55: {0, 2},  // DescribeQuorum
	57: {0, 2},  // UpdateFeatures
	60: {0, 2},  // DescribeCluster
	61: {0, 0},  // DescribeProducers
	64: {0, 0},  // UnregisterBroker
	65: {0, 0},  // DescribeTransactions
	66: {0, 2},  // ListTransactions
	68: {0, 1},  // ConsumerGroupHeartbeat
	69: {0, 1},  // ConsumerGroupDescribe
	74: {0, 1},  // ListConfigResources
	75: {0, 0},  // DescribeTopicPartitions
	76: {1, 1},  // ShareGroupHeartbeat
	77: {1, 1},  // ShareGroupDescribe
	78: {1, 2},  // ShareFetch
	79: {1, 2},  // ShareAcknowledge
	80: {0, 1},  // AddRaftVoter
	81: {0, 0},  // RemoveRaftVoter
	83: {0, 0},  // InitializeShareGroupState
	84: {0, 0},  // ReadShareGroupState
	85: {0, 1},  // WriteShareGroupState
	86: {0, 0},  // DeleteShareGroupState
	87: {0, 1},  // ReadShareGroupStateSummary
	88: {0, 0},  // StreamsGroupHeartbeat
	89: {0, 0},  // StreamsGroupDescribe
	90: {0, 1},  // DescribeShareGroupOffsets
	91: {0, 0},  // AlterShareGroupOffsets
	92: {0, 0},  // DeleteShareGroupOffsets
}

// golden is what an Inkless broker serves. A change here is a change that clients see.
var golden = map[int16]versions{
	0: {3, 13}, 1: {4, 18}, 2: {1, 11}, 3: {0, 13}, 8: {2, 10}, 9: {1, 10}, 10: {0, 6}, 11: {0, 9}, 12: {0, 4}, 13: {0, 5}, 14: {0, 5}, 15: {0, 6}, 16: {0, 5},
	19: {2, 7}, 20: {1, 6}, 21: {0, 2}, 22: {0, 5}, 23: {2, 4}, 32: {1, 4}, 33: {0, 2}, 35: {1, 5}, 37: {0, 3}, 42: {0, 2}, 44: {0, 1}, 47: {0, 0},
	60: {0, 2}, 61: {0, 0}, 75: {0, 0},
}

func TestTheTableIsTheGoldenOne(t *testing.T) {
	got := map[int16]versions{}
	for _, a := range newWorld(t, Settings{}).APIs() {
		if _, twice := got[a.Key]; twice {
			t.Errorf("key %d is there twice", a.Key)
		}
		got[a.Key] = versions{a.MinVersion, a.MaxVersion}
	}
	if diff := cmp.Diff(golden, got, cmp.AllowUnexported(versions{})); diff != "" {
		t.Errorf("(-golden +served):\n%s", diff)
	}
}

func TestVersionsAreKafkas(t *testing.T) {
	for _, row := range advertised(t) {
		want, ok := kafka43[row.key]
		switch {
		case !ok:
			t.Errorf("Kafka 4.3 has no key %d", row.key)
		case row.low < want.low || row.high > want.high:
			t.Errorf("%s %d to %d, Kafka 4.3 has %d to %d", kmsg.NameForKey(row.key), row.low, row.high, want.low, want.high)
		case row.high != want.high:
			t.Logf("%s up to %d, Kafka 4.3 up to %d", kmsg.NameForKey(row.key), row.high, want.high)
		}
	}
}

// advertisement is one line of the listener's answer to ApiVersions.
type advertisement struct {
	name           string
	key, low, high int16
}

var advertisedLine = regexp.MustCompile(`^(\w+) (\d+) (\d+) to (\d+)$`)

func advertised(t *testing.T) (rows []advertisement) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	s, err := listener.New(listener.Config{Name: "PLAINTEXT", Listener: l, APIs: newWorld(t, Settings{}).APIs()})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range s.APIVersions() {
		m := advertisedLine.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("line %q", line)
		}
		number := func(s string) int16 {
			n, err := strconv.ParseInt(s, 10, 16)
			if err != nil {
				t.Fatal(err)
			}
			return int16(n)
		}
		rows = append(rows, advertisement{m[1], number(m[2]), number(m[3]), number(m[4])})
	}
	return rows
}

// notes say what a client must know beyond the versions.
var notes = map[int16]string{
	0:  "0 to 2 are advertised, as Kafka does for the sake of librdkafka, and refused. No transactions.",
	2:  "There is no tiered copy: the latest tiered and the earliest pending upload offsets are -1.",
	3:  "The leader of a partition is a live broker of the client's zone (`diskless_az=<rack>` in client.id).",
	10: "Groups only; transactions and share groups are refused with INVALID_REQUEST.",
	17: "Version 1 only. ILLEGAL_SASL_STATE on a listener without SASL.",
	22: "Idempotent producers only; a transactional id is refused with INVALID_REQUEST.",
	23: "A diskless partition has one leader epoch, 0.",
	35: "One log dir: the object store.",
	36: "ILLEGAL_SASL_STATE on a listener without SASL.",
	60: "Brokers; asking for controllers is refused with MISMATCHED_ENDPOINT_TYPE.",
}

func renderSupport(t *testing.T) string {
	var b strings.Builder
	b.WriteString("| API | Key | Versions | Kafka 4.3 | |\n|---|---|---|---|---|\n")
	for _, row := range advertised(t) {
		low, high := row.low, row.high
		if g, ok := golden[row.key]; ok { // Produce advertises more than it takes
			low, high = g.low, g.high
		}
		k := kafka43[row.key]
		fmt.Fprintf(&b, "| %s | %d | %s | %s | %s |\n", row.name, row.key, printRange(low, high), printRange(k.low, k.high), notes[row.key])
	}
	return b.String()
}

func printRange(low, high int16) string {
	if low == high {
		return strconv.Itoa(int(low))
	}
	return fmt.Sprintf("%d to %d", low, high)
}

// TestSupportTable holds the README's table to the code.
func TestSupportTable(t *testing.T) {
	const (
		path  = "../../README.md"
		begin = "<!-- apis:begin -->\n"
		end   = "<!-- apis:end -->"
	)
	want := renderSupport(t)
	readme, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(readme), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("the README has no table between %q and %q", begin, end)
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		got = want
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the README's table of APIs is stale; run make docs (-code +README):\n%s", diff)
	}
}
