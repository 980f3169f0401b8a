package topics

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/inkwell-project/inkwell/internal/wire"
)

// Bounds of a StorageAccount, so that a cluster of many topics stays one small record.
const (
	MaxAccountUses   = 128
	MaxAccountTopics = 1000
)

// StorageAccount is what was asked of object storage, and what was written for whom.
type StorageAccount struct {
	Uses   []StorageUse // sorted by purpose and kind
	Topics []TopicBytes // sorted by name
	// OtherTopics is what the topics wrote that found no place among MaxAccountTopics.
	OtherTopics int64
}

// StorageUse sums requests of one purpose (flush, merge …) and kind (put, get, list, delete).
type StorageUse struct {
	Purpose, Kind   string
	Requests, Bytes int64
}

// TopicBytes is what producers wrote to a topic: batches as they were committed, duplicates not counted.
type TopicBytes struct {
	Name  string
	Bytes int64
}

// Written is what producers wrote.
func (a *StorageAccount) Written() int64 {
	sum := a.OtherTopics
	for _, t := range a.Topics {
		sum += t.Bytes
	}
	return sum
}

// Validate refuses what Add could not keep small or right.
func (a *StorageAccount) Validate() error {
	switch {
	case len(a.Uses) > MaxAccountUses:
		return fmt.Errorf("%d purposes and kinds, at most %d are kept", len(a.Uses), MaxAccountUses)
	case len(a.Topics) > MaxAccountTopics:
		return fmt.Errorf("%d topics, at most %d are kept", len(a.Topics), MaxAccountTopics)
	case a.OtherTopics < 0:
		return fmt.Errorf("%d bytes of other topics", a.OtherTopics)
	}
	for _, u := range a.Uses {
		if u.Requests < 0 || u.Bytes < 0 || len(u.Purpose) > 64 || len(u.Kind) > 64 {
			return fmt.Errorf("%d requests and %d bytes of %.64q %.64q", u.Requests, u.Bytes, u.Purpose, u.Kind)
		}
	}
	for _, t := range a.Topics {
		if t.Bytes < 0 || len(t.Name) > 249 {
			return fmt.Errorf("%d bytes of topic %.249q", t.Bytes, t.Name)
		}
	}
	return nil
}

// Add sums up. Of more than MaxAccountTopics topics those that wrote most keep their names.
func (a *StorageAccount) Add(more *StorageAccount) {
	type use struct{ purpose, kind string }
	uses, byName := map[use]StorageUse{}, map[string]int64{}
	for _, from := range []*StorageAccount{a, more} {
		for _, u := range from.Uses {
			sum := uses[use{u.Purpose, u.Kind}]
			uses[use{u.Purpose, u.Kind}] = StorageUse{u.Purpose, u.Kind, sum.Requests + u.Requests, sum.Bytes + u.Bytes}
		}
		for _, t := range from.Topics {
			byName[t.Name] += t.Bytes
		}
	}
	sum := StorageAccount{OtherTopics: a.OtherTopics + more.OtherTopics}
	sum.Uses = slices.SortedFunc(maps.Values(uses), func(x, y StorageUse) int {
		return cmp.Or(cmp.Compare(x.Purpose, y.Purpose), cmp.Compare(x.Kind, y.Kind))
	})
	for name, bytes := range byName {
		sum.Topics = append(sum.Topics, TopicBytes{name, bytes})
	}
	slices.SortFunc(sum.Topics, func(x, y TopicBytes) int { return cmp.Or(cmp.Compare(y.Bytes, x.Bytes), cmp.Compare(x.Name, y.Name)) })
	if len(sum.Topics) > MaxAccountTopics {
		for _, t := range sum.Topics[MaxAccountTopics:] {
			sum.OtherTopics += t.Bytes
		}
		sum.Topics = sum.Topics[:MaxAccountTopics]
	}
	slices.SortFunc(sum.Topics, func(x, y TopicBytes) int { return cmp.Compare(x.Name, y.Name) })
	*a = sum
}

// Append encodes the account as the body of a message.
func (a *StorageAccount) Append(b []byte) []byte {
	for _, u := range a.Uses {
		b = wire.AppendMessage(b, 1, func(b []byte) []byte {
			b = wire.AppendString(b, 1, u.Purpose)
			b = wire.AppendString(b, 2, u.Kind)
			b = wire.AppendSint(b, 3, u.Requests)
			return wire.AppendSint(b, 4, u.Bytes)
		})
	}
	for _, t := range a.Topics {
		b = wire.AppendMessage(b, 2, func(b []byte) []byte {
			return wire.AppendSint(wire.AppendString(b, 1, t.Name), 2, t.Bytes)
		})
	}
	return wire.AppendSint(b, 3, a.OtherTopics)
}

// Decode reads what Append wrote.
func (a *StorageAccount) Decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			var u StorageUse
			d.Embedded(u.decode)
			a.Uses = append(a.Uses, u)
		case 2:
			var t TopicBytes
			d.Embedded(t.decode)
			a.Topics = append(a.Topics, t)
		case 3:
			a.OtherTopics = d.Sint()
		}
	}
	return d.Err()
}

func (u *StorageUse) decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			u.Purpose = d.String()
		case 2:
			u.Kind = d.String()
		case 3:
			u.Requests = d.Sint()
		case 4:
			u.Bytes = d.Sint()
		}
	}
	return d.Err()
}

func (t *TopicBytes) decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			t.Name = d.String()
		case 2:
			t.Bytes = d.Sint()
		}
	}
	return d.Err()
}
