package state

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/metadata/statestore"
)

// StoredOffset is a committed offset as the state has it.
type StoredOffset struct {
	Group     string
	Topic     string
	Partition int32
	Value     kmsg.OffsetCommitValue // ExpireTimestamp is -1 when the offset has no expiry of its own
}

// ReadGroup returns a group's saved generation. A group that only has offsets is not saved.
func ReadGroup(r statestore.Reader, group string) (kmsg.GroupMetadataValue, bool) {
	raw, exists := r.Get(groupKey(group))
	if !exists {
		return kmsg.GroupMetadataValue{}, false
	}
	return decodeGroup(raw), true
}

// ScanGroups calls fn for every saved group in the order of their names.
func ScanGroups(r statestore.Reader, fn func(group string, value *kmsg.GroupMetadataValue)) {
	r.Scan([]byte{groupPrefix}, []byte{groupPrefix + 1}, func(key, raw []byte) bool {
		group, _, ok := cutName(key[1:])
		if !ok {
			damaged("group key", errors.New("no name"))
		}
		v := decodeGroup(raw)
		fn(group, &v)
		return true
	})
}

// ScanGroupsWithOffsets calls fn for every group that has offsets in the order of their names. It reads one key per group.
func ScanGroupsWithOffsets(r statestore.Reader, fn func(group string)) {
	lo := []byte{offsetPrefix}
	for {
		var group string
		found := false
		r.Scan(lo, []byte{offsetPrefix + 1}, func(key, _ []byte) bool {
			group, _, _, found = parseOffsetKey(key)
			if !found {
				damaged("offset key", errors.New("no name"))
			}
			return false
		})
		if !found {
			return
		}
		fn(group)
		lo = after(offsetsPrefix(group))
	}
}

// HasOffsets says whether a group has committed offsets.
func HasOffsets(r statestore.Reader, group string) bool {
	found := false
	prefix := offsetsPrefix(group)
	r.Scan(prefix, after(prefix), func(_, _ []byte) bool {
		found = true
		return false
	})
	return found
}

// ReadOffset returns one committed offset.
func ReadOffset(r statestore.Reader, group, topic string, partition int32) (kmsg.OffsetCommitValue, bool) {
	raw, exists := r.Get(offsetKey(group, topic, partition))
	if !exists {
		return kmsg.OffsetCommitValue{}, false
	}
	return decodeOffset(raw), true
}

// ScanOffsets calls fn for a group's offsets, ordered by topic and partition, until fn returns false.
func ScanOffsets(r statestore.Reader, group string, fn func(StoredOffset) bool) {
	prefix := offsetsPrefix(group)
	scanOffsets(r, prefix, after(prefix), fn)
}

// ScanAllOffsets calls fn for the offsets of all groups, ordered by group, topic and partition, until fn returns false.
func ScanAllOffsets(r statestore.Reader, fn func(StoredOffset) bool) {
	scanOffsets(r, []byte{offsetPrefix}, []byte{offsetPrefix + 1}, fn)
}

func scanOffsets(r statestore.Reader, lo, hi []byte, fn func(StoredOffset) bool) {
	r.Scan(lo, hi, func(key, raw []byte) bool {
		group, topic, partition, ok := parseOffsetKey(key)
		if !ok {
			damaged("offset key", errors.New("no name"))
		}
		return fn(StoredOffset{Group: group, Topic: topic, Partition: partition, Value: decodeOffset(raw)})
	})
}

// savedGeneration is ReadGroup without the members: a commit needs no more, and a group may have thousands.
func savedGeneration(r statestore.Reader, group string) (generation int32, exists bool) {
	raw, exists := r.Get(groupKey(group))
	if !exists {
		return 0, false
	}
	b := kbin.Reader{Src: raw}
	if version := b.Int16(); version != groupValueVersion {
		damaged("group metadata", fmt.Errorf("version %d", version))
	}
	b.Span(int(b.Int16())) // the protocol type
	generation = b.Int32()
	if err := b.Complete(); err != nil {
		damaged("group metadata", err)
	}
	return generation, true
}

func decodeGroup(raw []byte) kmsg.GroupMetadataValue {
	v := kmsg.NewGroupMetadataValue()
	if err := v.ReadFrom(bytes.Clone(raw)); err != nil { // subscriptions and assignments alias what is decoded
		damaged("group metadata", err)
	}
	return v
}

func decodeOffset(raw []byte) kmsg.OffsetCommitValue {
	v := kmsg.NewOffsetCommitValue()
	if err := v.ReadFrom(raw); err != nil {
		damaged("committed offset", err)
	}
	if v.Version == offsetValueExpireVersion {
		v.LeaderEpoch = -1 // that version has none
	} else {
		v.ExpireTimestamp = -1
	}
	return v
}

func damaged(what string, err error) {
	panic(&statestore.Failure{Op: "decode " + what, Err: fmt.Errorf("the state is damaged: %w", err)})
}
