package state

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/inkwell-project/inkwell/topics"
)

// registerBroker gives an incarnation of a broker its epoch. Asked again by the same incarnation it gives the same epoch, unless that one was
// fenced: a fenced epoch never comes back.
func (c *change) registerBroker(cmd *RegisterBroker) {
	b := cmd.Broker
	old, known := Broker(c, b.ID)
	sameIncarnation := known && old.IncarnationID == b.IncarnationID
	switch {
	case sameIncarnation && !old.Fenced:
		b.Epoch = old.Epoch
	case known && !old.Fenced && old.Epoch != cmd.Replaceable:
		c.answer(refuse(kerr.DuplicateBrokerRegistration, "Another broker is registered with id %d and still answers.", b.ID))
		return
	default:
		if known && !old.Fenced {
			c.fence(old)
		}
		b.Epoch = c.next
	}
	b.Fenced = false
	c.put(brokerKey(b.ID), &b)
	c.result.Epoch = b.Epoch
	c.answer(Error{})
}

func (c *change) fence(b *topics.Broker) {
	fenced := *b
	fenced.Fenced = true
	c.put(brokerKey(b.ID), &fenced)
}

func (c *change) fenceBroker(cmd *FenceBroker) {
	b, err := c.registered(cmd.Broker, cmd.Epoch)
	if err.Err == nil {
		c.fence(b)
	}
	c.answer(err)
}

// registered finds a broker whose epoch is the current one and not fenced.
func (c *change) registered(id int32, epoch int64) (*topics.Broker, Error) {
	b, ok := Broker(c, id)
	switch {
	case !ok:
		return nil, refuse(kerr.BrokerIDNotRegistered, "Broker %d is not registered.", id)
	case b.Epoch != epoch || b.Fenced:
		return nil, refuse(kerr.StaleBrokerEpoch, "Epoch %d of broker %d is over; register anew.", epoch, id)
	}
	return b, Error{}
}

func (c *change) unregisterBroker(cmd *UnregisterBroker) {
	if !has(c, brokerKey(cmd.Broker)) {
		c.answer(refuse(kerr.BrokerIDNotRegistered, "Broker %d is not registered.", cmd.Broker))
		return
	}
	c.remove(brokerKey(cmd.Broker), topics.MetadataKey{Kind: topics.KeyBroker, Broker: cmd.Broker})
	c.answer(Error{})
}

func (c *change) allocateProducerIDs(cmd *AllocateProducerIDs) {
	if _, err := c.registered(cmd.Broker, cmd.Epoch); err.Err != nil {
		c.answer(err)
		return
	}
	first := nextProducerID(c)
	if cmd.Length < 1 || first > (1<<63-1)-int64(cmd.Length) {
		c.answer(refuse(kerr.UnknownServerError, "There are no %d producer ids left after %d.", cmd.Length, first))
		return
	}
	c.put(producerIDsKey, &topics.ProducerIDs{Next: first + int64(cmd.Length)})
	c.result.First = first
	c.answer(Error{})
}
