package rpc

import "strconv"

var keyNames = map[int16]string{
	KeyCommitObjects:          "CommitObjects",
	KeyFindSegments:           "FindSegments",
	KeyListOffsets:            "ListOffsets",
	KeyDeleteRecords:          "DeleteRecords",
	KeyDescribePartitions:     "DescribePartitions",
	KeyRequestWork:            "RequestWork",
	KeyCheckReleased:          "CheckReleased",
	KeyCompleteWork:           "CompleteWork",
	KeyFollowTopic:            "FollowTopic",
	KeyAllocateProducerIDs:    "AllocateProducerIDs",
	KeyDescribeCluster:        "DescribeCluster",
	KeyFindLeaders:            "FindLeaders",
	KeyRenewWork:              "RenewWork",
	KeyFailWork:               "FailWork",
	KeyDescribeWork:           "DescribeWork",
	KeyRetryWork:              "RetryWork",
	KeyDescribeCoordinates:    "DescribeCoordinates",
	KeyDescribeObjects:        "DescribeObjects",
	KeyReportCost:             "ReportCost",
	KeyDescribeCost:           "DescribeCost",
	KeyCreateCluster:          "CreateCluster",
	KeyListClusters:           "ListClusters",
	KeyDescribeInklessCluster: "DescribeInklessCluster",
	KeyDeleteCluster:          "DeleteCluster",
	KeyListNodes:              "ListNodes",
	KeySetNode:                "SetNode",
	KeyAddBatchCoordinators:   "AddBatchCoordinators",
	KeyDescribeNodes:          "DescribeNodes",
	KeyRegisterNode:           "RegisterNode",
	KeyNodeStatus:             "NodeStatus",
	KeyCompleteMove:           "CompleteMove",
	KeyDescribeGroup:          "DescribeGroup",
}

// KeyName is what logs and messages call a private API.
func KeyName(key int16) string {
	if name, ok := keyNames[key]; ok {
		return name
	}
	return "private API " + strconv.Itoa(int(key))
}
