package state

import (
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/internal/wire"
	"github.com/inkwell-project/inkwell/metadata/statestore"
	"github.com/inkwell-project/inkwell/topics"
)

// ReportCost keeps what a broker's process has spent in all. It writes no record to the topic: nobody follows costs.
type ReportCost struct {
	Broker   int32
	Epoch    int64 // the process's first
	Sequence int64
	Account  topics.StorageAccount
}

func (*ReportCost) kind() uint64 { return 9 }

func (c *ReportCost) append(b []byte) []byte {
	b = wire.AppendSint(b, 1, int64(c.Broker))
	b = wire.AppendSint(b, 2, c.Epoch)
	b = wire.AppendSint(b, 3, c.Sequence)
	return wire.AppendMessage(b, 4, c.Account.Append)
}

func (c *ReportCost) decode(d *wire.Decoder) error {
	for d.Next() {
		switch d.Field() {
		case 1:
			c.Broker = int32(d.Sint())
		case 2:
			c.Epoch = d.Sint()
		case 3:
			c.Sequence = d.Sint()
		case 4:
			d.Embedded(c.Account.Decode)
		}
	}
	return d.Err()
}

// costEndedKey has the sum of the processes that others have followed under their broker ids; costKey has a broker id's latest process.
var costEndedKey = []byte("s ended")

func costKey(broker int32) []byte {
	return binary.BigEndian.AppendUint32([]byte("s b"), uint32(broker))
}

// reportCost replaces what the same process reported before. A newer process's first report closes the account of the one before it, whose later reports
// would be counted twice and are refused.
func (c *change) reportCost(cmd *ReportCost) {
	if cmd.Epoch >= c.next { // an offset that there is not yet: it would shut out the epochs to come
		c.answer(refuse(kerr.StaleBrokerEpoch, "Broker %d cannot have epoch %d: %d was not given yet.", cmd.Broker, cmd.Epoch, c.next))
		return
	}
	last, ok := costOf(c, cmd.Broker)
	switch {
	case ok && cmd.Epoch < last.Epoch:
		c.answer(refuse(kerr.StaleBrokerEpoch, "A process of epoch %d has reported for broker %d: the account of epoch %d is closed.", last.Epoch, cmd.Broker, cmd.Epoch))
		return
	case ok && cmd.Epoch == last.Epoch && cmd.Sequence <= last.Sequence:
		c.answer(Error{}) // it came before, or a later one did
		return
	case ok && cmd.Epoch > last.Epoch:
		ended := costEnded(c)
		ended.Add(&last.Account)
		c.Set(costEndedKey, ended.Append(nil))
	}
	c.Set(costKey(cmd.Broker), cmd.append(nil))
	c.answer(Error{})
}

func costOf(r statestore.Reader, broker int32) (*ReportCost, bool) {
	value, ok := r.Get(costKey(broker))
	if !ok {
		return nil, false
	}
	return decodeCost(value), true
}

func decodeCost(value []byte) *ReportCost {
	report := new(ReportCost)
	if err := report.decode(wire.NewDecoder(value)); err != nil {
		panic(&statestore.Failure{Op: "read a broker's storage account", Err: err})
	}
	return report
}

func costEnded(r statestore.Reader) (ended topics.StorageAccount) {
	value, _ := r.Get(costEndedKey)
	if err := ended.Decode(wire.NewDecoder(value)); err != nil {
		panic(&statestore.Failure{Op: fmt.Sprintf("read %q", costEndedKey), Err: err})
	}
	return ended
}

// Cost is the cluster's account, and how many broker ids have reported.
func Cost(r statestore.Reader) (sum topics.StorageAccount, brokers int32) {
	sum = costEnded(r)
	r.Scan([]byte("s b"), []byte("s c"), func(_, value []byte) bool {
		sum.Add(&decodeCost(value).Account)
		brokers++
		return true
	})
	return sum, brokers
}
