package soak

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// story is a partition's history and a reader that gets what the test wants it to.
type story struct {
	m       *model
	topic   *topic
	random  *rand.Rand
	records []*kgo.Record
	next    map[int]int64
}

func newStory(t *topic) *story {
	t.partitions, t.bytes = 1, 40
	s := &story{m: &model{partitions: map[string]map[int32]*partitionModel{}}, topic: t, random: rand.New(rand.NewPCG(1, 1)), next: map[int]int64{}}
	s.m.add(t)
	return s
}

// write has a record acknowledged at the next offset.
func (s *story) write(producer int, key, value string, age time.Duration) {
	r := newRecord(s.topic, 0, written{}, s.random)
	r.Offset, r.Timestamp, r.Key, r.Value = int64(len(s.records)), time.Now().Add(-age), nil, nil
	if key != "" {
		r.Key = []byte(key)
	}
	if value != "" {
		r.Value = []byte(value)
	}
	w := written{producer, s.next[producer]}
	s.next[producer]++
	r.Headers[0].Value = fmt.Appendf(nil, "%d/%d/%d", w.producer, w.number, checksum(r))
	s.records = append(s.records, r)
	s.m.acknowledged(w, r)
}

// read gives a reader these offsets, each as it was written or changed, and returns the violations.
func (s *story) read(offsets []int64, change func(r *kgo.Record)) string {
	before := len(s.m.told)
	c := s.m.newCheck(s.topic.name, 0)
	c.end = int64(len(s.records))
	for _, o := range offsets {
		r := *s.records[o]
		r.Headers = append([]kgo.RecordHeader(nil), r.Headers...)
		if change != nil {
			change(&r)
		}
		c.record(&r, time.Now(), true)
	}
	c.finish(time.Now(), true)
	return strings.Join(s.m.told[before:], "\n")
}

// TestTheCheckersFind: for every check a history that violates it, and one beside it that does not.
func TestTheCheckersFind(t *testing.T) {
	four := func(topic *topic, age time.Duration) *story {
		s := newStory(topic)
		for i := range 4 {
			s.write(i%2, "", fmt.Sprintf("value %d", i), age)
		}
		return s
	}
	keyed := func(topic *topic, age time.Duration, last string) *story {
		s := newStory(topic)
		for _, w := range [][2]string{{"a", "1"}, {"b", "1"}, {"a", "2"}, {"b", last}, {"c", "1"}} {
			s.write(0, w[0], w[1], age)
		}
		return s
	}
	forEver := func() *topic { return &topic{name: "t"} }
	timed := func() *topic { return &topic{name: "t", retention: time.Minute} }
	sized := func() *topic { return &topic{name: "t", retentionBytes: 16} }
	compacted := func() *topic { return &topic{name: "t", keys: 10, tombstones: time.Minute} }
	both := func() *topic { return &topic{name: "t", keys: 10, tombstones: time.Minute, retention: time.Minute} }
	cut := func(asked, confirmed int64) *story {
		s := four(forEver(), 0)
		p := s.m.partitions["t"][0]
		p.cutAsked, p.cut = asked, confirmed
		return s
	}
	at := func(offset int64, change func(*kgo.Record)) func(*kgo.Record) {
		return func(r *kgo.Record) {
			if r.Offset == offset {
				change(r)
			}
		}
	}
	for _, c := range []struct {
		name   string
		story  *story
		read   []int64
		change func(*kgo.Record)
		finds  string // "" for nothing
	}{
		{"all is there", four(forEver(), 0), []int64{0, 1, 2, 3}, nil, ""},
		{"one is lost", four(forEver(), 0), []int64{0, 1, 3}, nil, "offset 2 (record 1 of producer 0) is not there"},
		{"the last is lost", four(forEver(), 0), []int64{0, 1, 2}, nil, "offset 3 (record 1 of producer 1) is not there"},
		{"nothing is there", four(forEver(), 0), nil, nil, "is not there"},
		{"one comes twice", four(forEver(), 0), []int64{0, 1, 1, 2, 3}, nil, "offset 1 after 1"},
		{"a duplicate at another offset", four(forEver(), 0), []int64{0, 1, 2, 3}, at(2, func(r *kgo.Record) {
			r.Headers[0].Value = []byte("0/0/" + strings.Split(string(r.Headers[0].Value), "/")[2])
		}), "after its record 0"},
		{"out of order", four(forEver(), 0), []int64{0, 2, 1, 3}, nil, "offset 1 after 2"},
		{"a changed value", four(forEver(), 0), []int64{0, 1, 2, 3}, at(1, func(r *kgo.Record) { r.Value = []byte("other") }), "checksum"},
		{"a value that became none", four(forEver(), 0), []int64{0, 1, 2, 3}, at(1, func(r *kgo.Record) { r.Value = nil }), "checksum"},
		{"a lost header", four(forEver(), 0), []int64{0, 1, 2, 3}, at(1, func(r *kgo.Record) { r.Headers = nil }), "headers"},
		{"two records that changed places", four(forEver(), 0), []int64{0, 1, 2, 3}, at(1, func(r *kgo.Record) {
			r.Offset, r.Headers[0].Value = 1, []byte("0/1/"+strings.Split(string(r.Headers[0].Value), "/")[2])
		}), "it was acknowledged as record 0 of producer 1"},
		{"expired", four(timed(), time.Hour), nil, nil, ""},
		{"unexpired", four(timed(), time.Second), []int64{2, 3}, nil, "nothing allows its removal"},
		{"beyond the bytes to keep", four(sized(), 0), []int64{2, 3}, nil, ""},
		{"within the bytes to keep", four(sized(), 0), []int64{3}, nil, "of 16 to be kept"},
		{"deleted records", cut(2, 2), []int64{2, 3}, nil, ""},
		{"one too many is deleted", cut(2, 2), []int64{3}, nil, "offset 2"},
		{"a deletion without an answer", cut(2, 0), []int64{1, 2, 3}, nil, ""},
		{"deleted records that are there", cut(2, 2), []int64{1, 2, 3}, nil, "was deleted with DeleteRecords up to 2"},
		{"the latest of each key", keyed(compacted(), time.Hour, "2"), []int64{2, 3, 4}, nil, ""},
		{"and older ones, too", keyed(compacted(), time.Hour, "2"), []int64{1, 2, 3, 4}, nil, ""},
		{"a key is lost", keyed(compacted(), time.Hour, "2"), []int64{2, 3}, nil, "offset 4"},
		{"an old value is the latest", keyed(compacted(), time.Hour, "2"), []int64{0, 1, 3, 4}, nil, "key a has the old value of offset 0"},
		{"a tombstone went", keyed(compacted(), time.Hour, ""), []int64{2, 4}, nil, ""},
		{"a tombstone went too soon", keyed(compacted(), time.Second, ""), []int64{2, 4}, nil, "offset 3"},
		{"a deleted key is back", keyed(compacted(), time.Hour, ""), []int64{1, 2, 4}, nil, "key b has the old value of offset 1"},
		{"compacted and expired", keyed(both(), time.Hour, "2"), nil, nil, ""},
		{"compacted and unexpired", keyed(both(), time.Second, "2"), []int64{3, 4}, nil, "offset 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := c.story.read(c.read, c.change)
			if c.finds == "" && found != "" || !strings.Contains(found, c.finds) {
				t.Errorf("found %q, want %q", found, c.finds)
			}
		})
	}
}

// TestTheCheckersOfReaders: what members of a group are given and what they skip.
func TestTheCheckersOfReaders(t *testing.T) {
	s := newStory(&topic{name: "t", retention: time.Minute})
	for i := range 4 {
		s.write(0, "", fmt.Sprint(i), []time.Duration{time.Hour, time.Hour, 0, 0}[i])
	}
	s.m.skipped("r", "t", 0, 0, 2)
	for _, r := range s.records {
		s.m.seen("r", r)
	}
	if len(s.m.told) > 0 {
		t.Errorf("found %q, want nothing", s.m.told)
	}
	s.m.skipped("r", "t", 0, 0, 3)
	other := *s.records[1]
	other.Offset = 2
	s.m.seen("r", &other)
	s.m.acknowledged(written{1, 0}, s.records[3])
	for i, want := range []string{"offset 2 in between", "it was acknowledged as record 2", "acknowledged twice"} {
		if i >= len(s.m.told) || !strings.Contains(s.m.told[i], want) {
			t.Errorf("violation %d of %q, want %q", i, s.m.told, want)
		}
	}
}

func TestFlat(t *testing.T) {
	series := func(of func(i int) float64) (samples []sample) {
		for i := range 400 {
			samples = append(samples, sample{at: time.Duration(i) * time.Second, coordinates: of(i), hasCoordinates: i%3 > 0})
		}
		return samples
	}
	for _, c := range []struct {
		name string
		of   func(i int) float64
		want bool
	}{
		{"steady after a rise", func(i int) float64 { return min(float64(i)*50, 1000) + float64(i%7)*20 }, true},
		{"falling", func(i int) float64 { return 1000 - float64(i) }, true},
		{"rising", func(i int) float64 { return 1000 + float64(i)*2 }, false},
		{"never seen", func(int) float64 { return 0 }, false},
	} {
		second, last, ok := flat(series(c.of), func(s sample) (float64, bool) { return s.coordinates, s.hasCoordinates }, 400*time.Second, 0.2, 40)
		if ok != c.want {
			t.Errorf("%s: from %v to %v is flat: %v", c.name, second, last, ok)
		}
	}
}
