package classic

import "github.com/twmb/franz-go/pkg/kmsg"

// GroupType is the type that ListGroups shows for every group of this protocol.
const GroupType = "classic"

// Describe is the group as DescribeGroups shows it.
func (g *Group) Describe() kmsg.DescribeGroupsResponseGroup {
	out := kmsg.NewDescribeGroupsResponseGroup()
	out.Group, out.State, out.ProtocolType = g.id, string(g.state), g.protocolType
	if g.state == Stable {
		out.Protocol = g.protocol
	}
	for _, m := range g.members {
		om := kmsg.NewDescribeGroupsResponseGroupMember()
		om.MemberID, om.InstanceID = m.id, m.instancePtr()
		om.ClientID, om.ClientHost = m.client.ID, m.client.Host
		om.MemberAssignment, om.ProtocolMetadata = m.assignment, []byte{}
		if g.state == Stable {
			om.ProtocolMetadata = m.metadata(g.protocol)
		}
		out.Members = append(out.Members, om)
	}
	return out
}

// List is the group as ListGroups shows it.
func (g *Group) List() kmsg.ListGroupsResponseGroup {
	out := kmsg.NewListGroupsResponseGroup()
	out.Group, out.ProtocolType, out.GroupState, out.GroupType = g.id, g.protocolType, string(g.state), GroupType
	return out
}
