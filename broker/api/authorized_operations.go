package api

// Without an authorizer everybody may do everything: what Kafka then tells a client that asks is every operation that the resource knows, as a bit field
// of the operations' numbers.
const (
	noAuthorizedOpsAsked = -2147483648

	opRead            = 1 << 3
	opWrite           = 1 << 4
	opCreate          = 1 << 5
	opDelete          = 1 << 6
	opAlter           = 1 << 7
	opDescribe        = 1 << 8
	opClusterAction   = 1 << 9
	opDescribeConfigs = 1 << 10
	opAlterConfigs    = 1 << 11
	opIdempotentWrite = 1 << 12

	topicOperations   = opRead | opWrite | opCreate | opDescribe | opDelete | opAlter | opDescribeConfigs | opAlterConfigs
	groupOperations   = opRead | opDescribe | opDelete | opDescribeConfigs | opAlterConfigs
	clusterOperations = opCreate | opClusterAction | opDescribeConfigs | opAlterConfigs | opIdempotentWrite | opAlter | opDescribe
)
