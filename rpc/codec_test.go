package rpc

import (
	"math/rand"
	"reflect"
	"testing"
	"testing/quick"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func messages() []Message {
	return []Message{
		&CommitObjectsRequest{}, &CommitObjectsResponse{}, &FindSegmentsRequest{}, &FindSegmentsResponse{}, &ListOffsetsRequest{}, &ListOffsetsResponse{},
		&DeleteRecordsRequest{}, &DeleteRecordsResponse{}, &DescribePartitionsRequest{}, &DescribePartitionsResponse{}, &RequestWorkRequest{}, &RequestWorkResponse{},
		&RenewWorkRequest{}, &RenewWorkResponse{}, &FailWorkRequest{}, &FailWorkResponse{}, &DescribeWorkRequest{}, &DescribeWorkResponse{},
		&RetryWorkRequest{}, &RetryWorkResponse{}, &CheckReleasedRequest{}, &CheckReleasedResponse{}, &CompleteWorkRequest{}, &CompleteWorkResponse{}, &FollowTopicRequest{}, &FollowTopicResponse{},
		&DescribeCoordinatesRequest{}, &DescribeCoordinatesResponse{}, &DescribeObjectsRequest{}, &DescribeObjectsResponse{},
		&DescribeClusterRequest{}, &DescribeClusterResponse{}, &AllocateProducerIDsRequest{}, &AllocateProducerIDsResponse{},
		&ReportCostRequest{}, &ReportCostResponse{}, &DescribeCostRequest{}, &DescribeCostResponse{},
		&FindLeadersRequest{}, &FindLeadersResponse{},
		&ListNodesRequest{}, &ListNodesResponse{}, &SetNodeRequest{}, &SetNodeResponse{}, &AddBatchCoordinatorsRequest{}, &AddBatchCoordinatorsResponse{},
		&DescribeNodesRequest{}, &DescribeNodesResponse{}, &RegisterNodeRequest{}, &RegisterNodeResponse{}, &NodeStatusRequest{}, &NodeStatusResponse{},
		&CompleteMoveRequest{}, &CompleteMoveResponse{}, &DescribeGroupRequest{}, &DescribeGroupResponse{},
		&CreateClusterRequest{}, &CreateClusterResponse{}, &ListClustersRequest{}, &ListClustersResponse{},
		&DescribeInklessClusterRequest{}, &DescribeInklessClusterResponse{}, &DeleteClusterRequest{}, &DeleteClusterResponse{},
		&AlterClusterRequest{}, &AlterClusterResponse{}, &RotateCredentialRequest{}, &RotateCredentialResponse{}, &ListFeaturesRequest{}, &ListFeaturesResponse{}, &UpgradeFeaturesRequest{},
	}
}

// Every field of every message survives the wire: values are made by reflection, so that a field that a codec forgets is found.
func TestMessagesSurviveTheWire(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	for _, m := range messages() {
		typ := reflect.TypeOf(m).Elem()
		for range 50 {
			v, ok := quick.Value(typ, random)
			if !ok {
				t.Fatalf("no random %s", typ)
			}
			sent := reflect.New(typ)
			sent.Elem().Set(v)
			got := reflect.New(typ).Interface().(Message)
			if err := got.Decode(sent.Interface().(Message).Append(nil)); err != nil {
				t.Fatalf("%s: %v", typ, err)
			}
			if diff := cmp.Diff(sent.Interface(), got, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("%s (-sent +got):\n%s", typ, diff)
			}
		}
	}
}

func TestTombstonesAreNotEmptyValues(t *testing.T) {
	sent := &FollowTopicResponse{Records: []TopicRecord{{Offset: 1, Key: []byte("a")}, {Offset: 2, Key: []byte("a"), Value: []byte{}}}}
	var got FollowTopicResponse
	if err := got.Decode(sent.Append(nil)); err != nil {
		t.Fatal(err)
	}
	if got.Records[0].Value != nil || got.Records[1].Value == nil {
		t.Fatalf("got %#v", got.Records)
	}
}

func FuzzDecode(f *testing.F) {
	for i := range messages() {
		f.Add(uint8(i), []byte{0x0a, 0x02, 0x08, 0x01})
	}
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		all := messages()
		m := all[int(kind)%len(all)]
		if m.Decode(b) == nil {
			m.Append(nil) // what was decoded can be encoded again
		}
	})
}
