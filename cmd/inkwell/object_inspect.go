package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/internal/settings"
	"github.com/inkwell-project/inkwell/objectstorage"
	"github.com/inkwell-project/inkwell/objectstorage/storageurl"
	"github.com/inkwell-project/inkwell/objectverify"
)

const inspectIntro = `Prints what is in one object: header, footer, segments, indexes and batches.

  inkwell object inspect KEY --store URL     KEY as a store lists it below the URL's prefix, CLUSTER/xx/EPOCH/SEQUENCE.ink

It needs no Metadata cluster, and so shows the offsets that batches have in the object: in format 1, as brokers write it, offsets are only in the coordinates. Damage is printed
where it is. Exit code 0: the object is whole. 3: it is damaged. 1: it could not be read.`

// runObjectInspect prints one object.
func runObjectInspect(ctx context.Context, args []string) (err error) {
	var store string
	var batches bool
	s := settings.New("object inspect", inspectIntro)
	s.String(&store, "store", "", "the object storage, such as s3://BUCKET/PREFIX?region=REGION", nil)
	s.Bool(&batches, "batches", true, "print each batch; --batches=false still checks them")
	if err := s.Load(args, os.Environ(), os.Stdout); err != nil {
		return err
	}
	switch rest := s.Args(); {
	case store == "":
		return errors.New("--store is not set; give the object storage, such as s3://BUCKET/PREFIX?region=REGION")
	case len(rest) != 1:
		return fmt.Errorf("give one KEY, such as orders/00/0000000000000001/0000000000000002.ink; there are %d", len(rest))
	}
	bucket, err := storageurl.Open(ctx, store, storageurl.Options{Retry: objectstorage.RetryConfig{Clock: clock.System, Rand: rand.Float64}})
	if err != nil {
		return err
	}
	defer closeInto(&err, bucket.Close)
	damages, err := objectverify.Inspect(ctx, bucket, s.Args()[0], batches, os.Stdout)
	switch {
	case err != nil:
		return err
	case damages > 0:
		return fmt.Errorf("%d damages: %w", damages, exitFindings)
	}
	return nil
}
