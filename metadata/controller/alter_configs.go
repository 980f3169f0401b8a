package controller

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/clusterimage"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/kafka/configs"
	"github.com/inkwell-project/inkwell/metadata/controller/state"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/topics"
)

// Bounds of what one resource may have: the settings go through the log and into every image.
const (
	maxSettings     = 1000
	maxSettingBytes = 32 << 10
)

// op is one change of one setting.
type op struct {
	name  string
	op    kmsg.IncrementalAlterConfigOp
	value *string
}

// alteration is one resource of a request.
type alteration struct {
	typ  kmsg.ConfigResourceType
	name string
	ops  []op
	// replace: settings that are not named are removed (AlterConfigs).
	replace bool
	err     state.Error
}

// alterConfigs answers AlterConfigs v0-2: a resource's settings become exactly those of the request.
func (c *Controller) alterConfigs(ctx context.Context, req *kmsg.AlterConfigsRequest) (*kmsg.AlterConfigsResponse, int64, error) {
	alterations := make([]alteration, len(req.Resources))
	for i, r := range req.Resources {
		a := alteration{typ: r.ResourceType, name: r.ResourceName, replace: true}
		for _, s := range r.Configs {
			a.ops = append(a.ops, op{name: s.Name, op: kmsg.IncrementalAlterConfigOpSet, value: s.Value})
		}
		alterations[i] = a
	}
	offset, err := c.alter(ctx, alterations, req.ValidateOnly)
	if err != nil {
		return nil, noOffset, err
	}
	resp := req.ResponseKind().(*kmsg.AlterConfigsResponse)
	for _, a := range alterations {
		rr := kmsg.NewAlterConfigsResponseResource()
		rr.ResourceType, rr.ResourceName, rr.ErrorCode, rr.ErrorMessage = a.typ, a.name, code(a.err), message(a.err)
		resp.Resources = append(resp.Resources, rr)
	}
	return resp, offset, nil
}

// incrementalAlterConfigs answers IncrementalAlterConfigs v0-1: set, delete, append and subtract.
func (c *Controller) incrementalAlterConfigs(ctx context.Context, req *kmsg.IncrementalAlterConfigsRequest) (*kmsg.IncrementalAlterConfigsResponse, int64, error) {
	alterations := make([]alteration, len(req.Resources))
	for i, r := range req.Resources {
		a := alteration{typ: r.ResourceType, name: r.ResourceName}
		for _, s := range r.Configs {
			a.ops = append(a.ops, op{name: s.Name, op: s.Op, value: s.Value})
		}
		alterations[i] = a
	}
	offset, err := c.alter(ctx, alterations, req.ValidateOnly)
	if err != nil {
		return nil, noOffset, err
	}
	resp := req.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
	for _, a := range alterations {
		rr := kmsg.NewIncrementalAlterConfigsResponseResource()
		rr.ResourceType, rr.ResourceName, rr.ErrorCode, rr.ErrorMessage = a.typ, a.name, code(a.err), message(a.err)
		resp.Resources = append(resp.Resources, rr)
	}
	return resp, offset, nil
}

// alter decides on the state as it is and proposes the outcome; where another change came between, it decides anew.
func (c *Controller) alter(ctx context.Context, alterations []alteration, validateOnly bool) (int64, error) {
	checkAlterations(alterations)
	todo := make([]*alteration, 0, len(alterations))
	for i := range alterations {
		if alterations[i].err.Err == nil {
			todo = append(todo, &alterations[i])
		}
	}
	offset := noOffset
	for len(todo) > 0 {
		cmd := &state.SetConfigs{}
		var proposed []*alteration
		if err := c.read(ctx, func(r statestore.Reader) {
			offset = max(offset, state.NextOffset(r)-1) // what is unchanged may be so by a change that the broker does not show yet
			for _, a := range todo {
				change, changed := a.decide(r)
				if changed {
					cmd.Resources, proposed = append(cmd.Resources, change), append(proposed, a)
				}
			}
		}); err != nil {
			return noOffset, err
		}
		if validateOnly || len(proposed) == 0 {
			break
		}
		result, err := c.propose(ctx, cmd)
		if err != nil {
			return noOffset, err
		}
		offset, todo = result.Offset, todo[:0]
		for i, a := range proposed {
			if a.err = result.Errors[i]; a.err.Err == state.ErrConflict {
				a.err = state.Error{}
				todo = append(todo, a)
			} else if a.err.Err == nil {
				c.cfg.Logger.Info("altered settings", "cluster", c.cfg.Cluster, "resource", a.typ.String(), "name", a.name)
			}
		}
	}
	return offset, nil
}

// checkAlterations refuses what needs no state to be refused.
func checkAlterations(alterations []alteration) {
	type resource struct {
		typ  kmsg.ConfigResourceType
		name string
	}
	times := map[resource]int{}
	for i := range alterations {
		times[resource{alterations[i].typ, alterations[i].name}]++
	}
	for i := range alterations {
		a := &alterations[i]
		if times[resource{a.typ, a.name}] > 1 {
			a.err = refuse(kerr.InvalidRequest, "Each resource must appear at most once.")
			continue
		}
		if a.typ != kmsg.ConfigResourceTypeTopic && a.typ != kmsg.ConfigResourceTypeBroker {
			a.err = refuse(kerr.InvalidRequest, "Unexpected resource type %v: only settings of topics and brokers can be altered.", a.typ)
			continue
		}
		a.err = checkOps(a.ops)
	}
}

func checkOps(ops []op) state.Error {
	names := make(map[string]bool, len(ops))
	for _, o := range ops {
		switch {
		case names[o.name]:
			return refuse(kerr.InvalidRequest, "Error due to duplicate config keys: %s", o.name)
		case o.op < kmsg.IncrementalAlterConfigOpSet || o.op > kmsg.IncrementalAlterConfigOpSubtract:
			return refuse(kerr.InvalidRequest, "Unknown operation type %d for %s", o.op, o.name)
		case o.value == nil && o.op != kmsg.IncrementalAlterConfigOpDelete:
			return refuse(kerr.InvalidRequest, "Null value not supported for : %s", o.name)
		case len(o.name) > maxSettingBytes || o.value != nil && len(*o.value) > maxSettingBytes:
			return refuse(kerr.InvalidConfig, "The setting %.60s has more than %d bytes.", o.name, maxSettingBytes)
		}
		names[o.name] = true
	}
	return state.Error{}
}

// decide computes the resource's new settings; it sets err and returns false where they are refused.
func (a *alteration) decide(r statestore.Reader) (change state.ConfigChange, changed bool) {
	change = state.ConfigChange{Type: int8(a.typ), Name: a.name}
	if change.TopicID, a.err = a.find(r); a.err.Err != nil {
		return change, false
	}
	change.Old = state.Settings(r, change.Type, a.name)
	change.New, a.err = a.apply(change.Old)
	if a.err.Err != nil {
		return change, false
	}
	defaults := clusterimage.Lookup(&topics.ConfigResource{Settings: state.Settings(r, topics.ConfigBroker, "")})
	if a.err = validateSettings(change.Type, a.name, change.New, defaults); a.err.Err != nil {
		return change, false
	}
	return change, !slices.Equal(change.Old, change.New)
}

// find says whether the resource exists.
func (a *alteration) find(r statestore.Reader) (kafka.TopicID, state.Error) {
	if a.typ == kmsg.ConfigResourceTypeTopic {
		if a.name == "" {
			return kafka.TopicID{}, refuse(kerr.InvalidRequest, "Default topic resources are not allowed.")
		}
		if why := kafka.InvalidTopicName(a.name); why != "" {
			return kafka.TopicID{}, refuse(kerr.InvalidTopicException, "%s", why)
		}
		if t, ok := state.TopicByName(r, a.name); ok {
			return t.ID, state.Error{}
		}
		return kafka.TopicID{}, refuse(kerr.UnknownTopicOrPartition, "%s", kerr.UnknownTopicOrPartition.Description)
	}
	if a.name == "" { // the default of all brokers
		return kafka.TopicID{}, state.Error{}
	}
	id, err := strconv.ParseInt(a.name, 10, 32)
	if err != nil || strconv.FormatInt(id, 10) != a.name {
		return kafka.TopicID{}, refuse(kerr.InvalidRequest, "Node id must be an integer, but it is: %.60s", a.name)
	}
	if _, ok := state.Broker(r, int32(id)); !ok {
		return kafka.TopicID{}, refuse(kerr.BrokerIDNotRegistered, "No such broker: %s", a.name)
	}
	return kafka.TopicID{}, state.Error{}
}

// apply gives the settings that the operations make of old.
func (a *alteration) apply(old []topics.Setting) ([]topics.Setting, state.Error) {
	var settings []topics.Setting
	if !a.replace {
		settings = slices.Clone(old)
	}
	for _, o := range a.ops {
		at, found := slices.BinarySearchFunc(settings, o.name, func(s topics.Setting, name string) int { return strings.Compare(s.Name, name) })
		var value string
		switch o.op {
		case kmsg.IncrementalAlterConfigOpDelete:
			if found {
				settings = slices.Delete(settings, at, at+1)
			}
			continue
		case kmsg.IncrementalAlterConfigOpSet:
			value = *o.value
		default:
			d, ok := a.definition(o.name)
			if !ok || d.Type != configs.List {
				return nil, refuse(kerr.InvalidConfig, "Can't %s to key %s because its type is not LIST.", o.op, o.name)
			}
			var current string
			if found {
				current = settings[at].Value
			} else if d.Default != nil {
				current = *d.Default
			}
			value = changeList(current, *o.value, o.op)
		}
		if found {
			settings[at].Value = value
		} else {
			settings = slices.Insert(settings, at, topics.Setting{Name: o.name, Value: value})
		}
	}
	return settings, state.Error{}
}

func (a *alteration) definition(name string) (*configs.Definition, bool) {
	if a.typ == kmsg.ConfigResourceTypeTopic {
		return configs.Topic(name)
	}
	return configs.Broker(name)
}

// changeList adds values that are missing to a list, or takes values away.
func changeList(current, values string, o kmsg.IncrementalAlterConfigOp) string {
	parts := configs.Split(current)
	for _, v := range configs.Split(values) {
		at := slices.Index(parts, v)
		switch {
		case o == kmsg.IncrementalAlterConfigOpAppend && at < 0:
			parts = append(parts, v)
		case o == kmsg.IncrementalAlterConfigOpSubtract && at >= 0:
			parts = slices.Delete(parts, at, at+1)
		}
	}
	return strings.Join(parts, ",")
}

// validateSettings checks what a resource would have.
func validateSettings(typ int8, name string, settings []topics.Setting, defaults configs.Lookup) state.Error {
	if len(settings) > maxSettings {
		return refuse(kerr.InvalidConfig, "%d settings; a resource may have %d.", len(settings), maxSettings)
	}
	names := make([]string, len(settings))
	for i, s := range settings {
		names[i] = s.Name
		if len(s.Name)+len(s.Value) > 2*maxSettingBytes {
			return refuse(kerr.InvalidConfig, "The setting %.60s has more than %d bytes.", s.Name, maxSettingBytes)
		}
	}
	own := clusterimage.Lookup(&topics.ConfigResource{Settings: settings})
	var err error
	kerror := kerr.InvalidConfig
	if typ == topics.ConfigTopic {
		err = configs.ValidateTopic(names, own, defaults)
	} else {
		err = configs.ValidateBroker(names, own, name == "")
		kerror = kerr.InvalidRequest // Kafka's code for whatever is wrong with a broker's setting (KAFKA-13609)
	}
	var why *configs.Invalid
	if errors.As(err, &why) {
		return refuse(kerror, "%s", why.Reason)
	}
	return state.Error{}
}
