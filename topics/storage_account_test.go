package topics

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/inkwell-project/inkwell/internal/wire"
)

// Everything is added up by name, what finds no place is still in the sum, and the sum travels.
func TestAccountsAddUp(t *testing.T) {
	var sum StorageAccount
	for round := range int64(3) {
		var a StorageAccount
		for i := range MaxAccountTopics {
			a.Topics = append(a.Topics, TopicBytes{Name: fmt.Sprintf("t%04d", int64(i)+100*round), Bytes: 1, Read: 2, Merged: 3, Compacted: int64(4 + i)})
		}
		a.OtherTopics = TopicBytes{Bytes: 10, Read: 20, Merged: 30, Compacted: 40}
		sum.Add(&a)
	}
	if err := sum.Validate(); err != nil {
		t.Fatal(err)
	}
	want := TopicBytes{Bytes: 3 * (1000 + 10), Read: 3 * (2000 + 20), Merged: 3 * (3000 + 30), Compacted: 3 * (4000 + 999*1000/2 + 40)}
	if got := sum.Total(); got != want {
		t.Errorf("together %+v, want %+v", got, want)
	}
	if got := sum.Topics[700]; got.Bytes != 3 || got.Read != 6 || got.Merged != 9 || sum.OtherTopics.Read <= 60 {
		t.Errorf("%+v; others %+v", got, sum.OtherTopics)
	}
	var read StorageAccount
	if err := read.Decode(wire.NewDecoder(sum.Append(nil))); err != nil || !reflect.DeepEqual(read, sum) {
		t.Errorf("%v: it is %d topics and %+v after its travel", err, len(read.Topics), read.OtherTopics)
	}
	for _, bad := range []StorageAccount{
		{OtherTopics: TopicBytes{Read: -1}}, {OtherTopics: TopicBytes{Name: "x"}}, {Topics: []TopicBytes{{Name: "x", Merged: -1}}}, {Topics: []TopicBytes{{Name: "x", Compacted: -1}}},
	} {
		if bad.Validate() == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}
