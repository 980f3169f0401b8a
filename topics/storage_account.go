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
	// OtherTopics sums the topics that found no place among MaxAccountTopics; it has no name.
	OtherTopics TopicBytes
}

// StorageUse sums requests of one purpose (flush, merge …) and kind (put, get, list, delete).
type StorageUse struct {
	Purpose, Kind   string
	Requests, Bytes int64
}

// TopicBytes is what was written and read for a topic.
type TopicBytes struct {
	Name  string
	Bytes int64 // that producers wrote: batches as they were committed, duplicates not counted
	// Read is what fetches got from the store for it; what they found in memory is not in it.
	Read int64
	// Merged and Compacted are of the topic's batches that jobs of these kinds took on, each attempt counted.
	Merged, Compacted int64
}

// Add sums up, but for the name.
func (t *TopicBytes) Add(more TopicBytes) {
	t.Bytes += more.Bytes
	t.Read += more.Read
	t.Merged += more.Merged
	t.Compacted += more.Compacted
}

func (t *TopicBytes) all() int64 { return t.Bytes + t.Read + t.Merged + t.Compacted }

func (t *TopicBytes) negative() bool { return min(t.Bytes, t.Read, t.Merged, t.Compacted) < 0 }

// Total is the sum over all topics.
func (a *StorageAccount) Total() TopicBytes {
	sum := a.OtherTopics
	for _, t := range a.Topics {
		sum.Add(t)
	}
	return sum
}

// Written is what producers wrote.
func (a *StorageAccount) Written() int64 { return a.Total().Bytes }

// Validate refuses what Add could not keep small or right.
func (a *StorageAccount) Validate() error {
	switch {
	case len(a.Uses) > MaxAccountUses:
		return fmt.Errorf("%d purposes and kinds, at most %d are kept", len(a.Uses), MaxAccountUses)
	case len(a.Topics) > MaxAccountTopics:
		return fmt.Errorf("%d topics, at most %d are kept", len(a.Topics), MaxAccountTopics)
	case a.OtherTopics.negative() || a.OtherTopics.Name != "":
		return fmt.Errorf("bytes of other topics are %+v", a.OtherTopics)
	}
	for _, u := range a.Uses {
		if u.Requests < 0 || u.Bytes < 0 || len(u.Purpose) > 64 || len(u.Kind) > 64 {
			return fmt.Errorf("%d requests and %d bytes of %.64q %.64q", u.Requests, u.Bytes, u.Purpose, u.Kind)
		}
	}
	for _, t := range a.Topics {
		if t.negative() || len(t.Name) > 249 {
			return fmt.Errorf("bytes of topic %.249q are %d written, %d read, %d merged, %d compacted", t.Name, t.Bytes, t.Read, t.Merged, t.Compacted)
		}
	}
	return nil
}

// Add sums up. Of more than MaxAccountTopics topics those with most bytes keep their names.
func (a *StorageAccount) Add(more *StorageAccount) {
	type use struct{ purpose, kind string }
	uses, byName := map[use]StorageUse{}, map[string]TopicBytes{}
	for _, from := range []*StorageAccount{a, more} {
		for _, u := range from.Uses {
			sum := uses[use{u.Purpose, u.Kind}]
			uses[use{u.Purpose, u.Kind}] = StorageUse{u.Purpose, u.Kind, sum.Requests + u.Requests, sum.Bytes + u.Bytes}
		}
		for _, t := range from.Topics {
			sum := byName[t.Name]
			sum.Name = t.Name
			sum.Add(t)
			byName[t.Name] = sum
		}
	}
	sum := StorageAccount{OtherTopics: a.OtherTopics}
	sum.OtherTopics.Add(more.OtherTopics)
	sum.Uses = slices.SortedFunc(maps.Values(uses), func(x, y StorageUse) int {
		return cmp.Or(cmp.Compare(x.Purpose, y.Purpose), cmp.Compare(x.Kind, y.Kind))
	})
	sum.Topics = slices.SortedFunc(maps.Values(byName), func(x, y TopicBytes) int { return cmp.Or(cmp.Compare(y.all(), x.all()), cmp.Compare(x.Name, y.Name)) })
	if len(sum.Topics) > MaxAccountTopics {
		for _, t := range sum.Topics[MaxAccountTopics:] {
			sum.OtherTopics.Add(t)
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
		b = wire.AppendMessage(b, 2, t.append)
	}
	b = wire.AppendSint(b, 3, a.OtherTopics.Bytes)
	others := a.OtherTopics
	if others.Bytes = 0; others == (TopicBytes{}) {
		return b
	}
	return wire.AppendMessage(b, 4, others.append)
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
			a.OtherTopics.Bytes = d.Sint()
		case 4:
			d.Embedded(a.OtherTopics.decode)
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

func (t *TopicBytes) append(b []byte) []byte {
	b = wire.AppendString(b, 1, t.Name)
	b = wire.AppendSint(b, 2, t.Bytes)
	b = wire.AppendSint(b, 3, t.Read)
	b = wire.AppendSint(b, 4, t.Merged)
	return wire.AppendSint(b, 5, t.Compacted)
}

func (t *TopicBytes) decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			t.Name = d.String()
		case 2:
			t.Bytes = d.Sint()
		case 3:
			t.Read = d.Sint()
		case 4:
			t.Merged = d.Sint()
		case 5:
			t.Compacted = d.Sint()
		}
	}
	return d.Err()
}
