package rpc

// Group membership is the arrow Broker -> Group Coordinator: brokers join this group of their own cluster with the ordinary JoinGroup, SyncGroup,
// Heartbeat and LeaveGroup, proxied by Forwarder. Clients may not touch it.
const (
	MembershipGroup        = "__inkwell_brokers"
	MembershipProtocolType = "inkwell-broker"
)
