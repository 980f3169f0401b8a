package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/rpc"
	"github.com/inkwell-project/inkwell/rpc/client"
)

// caller is a registered broker of an Inkless cluster that commits objects which were never uploaded: nothing but the Metadata cluster is measured.
type caller struct {
	client  *client.Client
	id      int32
	epoch   int64
	objects atomic.Int64
	topic   kafka.TopicID
	offset  int64 // of __metadata, where the topic is known

	stop     context.CancelFunc
	stopping sync.WaitGroup
}

// newCaller registers and, with partitions above 0, creates a topic.
func (w *world) newCaller(ctx context.Context, cluster kafka.ClusterID, password string, id, partitions int32) (*caller, error) {
	c := &caller{id: id, client: client.New(client.Config{Addresses: w.addresses(), Cluster: cluster, Password: password, Dial: new(net.Dialer).DialContext, ClientID: fmt.Sprintf("bench-%d", id)})}
	beating, stop := context.WithCancel(ctx)
	c.stop = stop
	// The coordinators of a new cluster may have no leader yet.
	err := until(ctx, 50*time.Millisecond, func() error { return c.register(ctx, cluster) })
	if err == nil {
		c.stopping.Go(func() { c.beat(beating) })
	}
	if err == nil && partitions > 0 {
		err = c.createTopic(ctx, partitions)
	}
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *caller) close() error {
	c.stop()
	c.stopping.Wait()
	return c.client.Close()
}

func (c *caller) ask(ctx context.Context, req kmsg.Request) (*rpc.ForwardResponse, error) {
	return c.client.Forward(ctx, &rpc.ForwardRequest{Target: rpc.Target{Kind: rpc.TargetController}, Client: rpc.Client{Principal: "User:broker", ClientID: "bench"}, Request: req})
}

func (c *caller) register(ctx context.Context, cluster kafka.ClusterID) error {
	req := kmsg.NewPtrBrokerRegistrationRequest()
	req.SetVersion(req.MaxVersion())
	req.BrokerID, req.ClusterID = c.id, string(cluster)
	_, _ = rand.Read(req.IncarnationID[:]) // never fails
	l := kmsg.NewBrokerRegistrationRequestListener()
	l.Name, l.Host, l.Port = "PLAINTEXT", "127.0.0.1", 1
	req.Listeners = append(req.Listeners, l)
	resp, err := c.ask(ctx, req)
	if err != nil {
		return err
	}
	answer := resp.Response.(*kmsg.BrokerRegistrationResponse)
	c.epoch = answer.BrokerEpoch
	return kerr.ErrorForCode(answer.ErrorCode)
}

// beat keeps the registration alive. A lost beat is made up for by the next: a session is several long.
func (c *caller) beat(ctx context.Context) {
	for ctx.Err() == nil {
		req := kmsg.NewPtrBrokerHeartbeatRequest()
		req.BrokerID, req.BrokerEpoch = c.id, c.epoch
		_, _ = c.ask(ctx, req)
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Second):
		}
	}
}

func (c *caller) createTopic(ctx context.Context, partitions int32) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(req.MaxVersion())
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "t", partitions, 1
	req.Topics, req.TimeoutMillis = append(req.Topics, topic), 30_000
	resp, err := c.ask(ctx, req)
	if err != nil {
		return err
	}
	made := resp.Response.(*kmsg.CreateTopicsResponse).Topics[0]
	c.topic, c.offset = made.TopicID, resp.MetadataOffset
	return kerr.ErrorForCode(made.ErrorCode)
}

// object is the next object: a segment in each of so many partitions from first on, with so many batches each.
func (c *caller) object(first, segments, partitions, batches int) *rpc.CommitObjectsRequest {
	n := c.objects.Add(1)
	o := rpc.ObjectCommit{Object: kafka.ObjectID{Epoch: c.epoch, Sequence: n}, Coordinators: []int32{0}}
	now := time.Now().UnixMilli()
	for s := range segments {
		segment := rpc.SegmentCommit{Partition: kafka.TopicIDPartition{ID: c.topic, Partition: int32((first + s) % partitions)}, Position: o.ObjectBytes}
		// What does not divide goes to the first ones.
		for range batches/segments + min(1, max(0, batches%segments-s)) {
			segment.Batches = append(segment.Batches, rpc.BatchCommit{Bytes: 1 << 10, Records: 1, MaxTimestamp: now, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1})
			o.ObjectBytes += 1 << 10
		}
		o.Segments = append(o.Segments, segment)
	}
	return &rpc.CommitObjectsRequest{Broker: c.id, BrokerEpoch: c.epoch, MetadataOffset: c.offset, AcknowledgedBelow: max(0, n-2000), Objects: []rpc.ObjectCommit{o}}
}

// commit makes one call. A batch that is refused is an error, too.
func (c *caller) commit(ctx context.Context, req *rpc.CommitObjectsRequest) error {
	resp, err := c.client.CommitObjects(ctx, req)
	if err != nil {
		return err
	}
	for _, o := range resp.Objects {
		for _, s := range o.Segments {
			if s.Error != 0 {
				return kerr.ErrorForCode(s.Error)
			}
			for _, b := range s.Batches {
				if b.Error != 0 {
					return kerr.ErrorForCode(b.Error)
				}
			}
		}
	}
	return nil
}
