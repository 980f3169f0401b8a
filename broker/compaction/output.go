package compaction

import (
	"context"
	"fmt"

	"github.com/inkwell-project/inkwell/internal/slab"
	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/objectformat"
	"github.com/inkwell-project/inkwell/objectstorage"
)

// output is an object that is written in parts while it is made: one part is filled while the one before it is on its way. An object of one part is a simple put.
type output struct {
	*objectformat.StreamWriter
	w      *job
	ctx    context.Context
	object kafka.ObjectID
	key    string

	part    *slab.Buffer
	filled  int
	upload  objectstorage.Upload
	parts   int
	sending chan error // of the part that is on its way, nil for none
}

func (w *job) newOutput(ctx context.Context) (*output, error) {
	object, err := w.nextObject()
	if err != nil {
		return nil, err
	}
	o := &output{w: w, ctx: ctx, object: object, key: object.Key(w.cfg.Cluster), part: w.memory.Get(w.cfg.PartBytes)}
	if o.StreamWriter, err = objectformat.NewStreamWriter(o, w.cfg.Cluster, object); err != nil {
		o.abort()
		return nil, err
	}
	return o, nil
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		if o.filled == o.w.cfg.PartBytes {
			if err := o.sendPart(); err != nil {
				return n, err
			}
		}
		c := copy(o.part.Bytes()[o.filled:], b)
		o.filled += c
		n += c
		b = b[c:]
	}
	return n, nil
}

// sendPart sends the filled part when the one before it has arrived.
func (o *output) sendPart() error {
	if err := o.arrived(); err != nil {
		return err
	}
	if o.upload == nil {
		o.w.written = append(o.w.written, o.object)
		var err error
		if o.upload, err = o.w.store.startUpload(o.ctx, o.key); err != nil {
			return fmt.Errorf("writing object %s: %w", o.object, err)
		}
	}
	part, filled, number := o.part, o.filled, o.parts
	o.part, o.filled, o.parts = o.w.memory.Get(o.w.cfg.PartBytes), 0, o.parts+1
	sending := make(chan error, 1)
	o.sending = sending
	go func() {
		err := o.w.store.putPart(o.ctx, o.upload, number, part.Bytes()[:filled])
		part.Release()
		sending <- err
	}()
	return nil
}

func (o *output) arrived() error {
	if o.sending == nil {
		return nil
	}
	err := <-o.sending
	o.sending = nil
	if err != nil {
		return fmt.Errorf("writing object %s: %w", o.object, err)
	}
	return nil
}

// finish makes the object durable and visible.
func (o *output) finish() (segments []objectformat.Segment, objectBytes int64, err error) {
	if segments, objectBytes, err = o.Finish(); err != nil {
		return nil, 0, err
	}
	if o.upload == nil {
		o.w.written = append(o.w.written, o.object)
		err = o.w.store.put(o.ctx, o.key, o.part.Bytes()[:o.filled])
	} else {
		if err = o.sendPart(); err == nil {
			err = o.arrived()
		}
		if err == nil {
			err = o.w.store.complete(o.ctx, o.upload, o.parts)
		}
	}
	if err != nil {
		return nil, 0, fmt.Errorf("writing object %s: %w", o.object, err)
	}
	o.upload = nil
	o.abort()
	return segments, objectBytes, nil
}

// abort ends an output, whatever came of it; after finish it does nothing. What the job wrote is discarded with the job.
func (o *output) abort() {
	if o.sending != nil {
		<-o.sending
		o.sending = nil
	}
	if o.part != nil {
		o.part.Release()
		o.part = nil
	}
	if o.upload != nil {
		// Also when the job was cut short: parts that nobody throws away cost money until the sweep.
		ctx, done := o.w.withTimeout(context.WithoutCancel(o.ctx), callTimeout)
		defer done()
		if err := o.upload.Abort(ctx); err != nil {
			o.w.cfg.Logger.Warn("compaction: an upload is left to the sweep", "cluster", o.w.cfg.Cluster, "object", o.object, "error", err)
		}
		o.upload = nil
	}
}
