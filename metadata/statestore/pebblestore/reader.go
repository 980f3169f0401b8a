package pebblestore

import (
	"errors"
	"io"

	"github.com/cockroachdb/pebble/v2"
)

// source is what a database, a snapshot and an indexed batch have in common.
type source interface {
	Get(key []byte) ([]byte, io.Closer, error)
	NewIter(o *pebble.IterOptions) (*pebble.Iterator, error)
}

type reader struct {
	source source
	prefix []byte // of the space
	end    []byte // the first key behind the space
	key    []byte // reused for Get
	copies arena
}

func newReader(s source, sp Space) *reader {
	r := &reader{source: s, prefix: sp.appendTo(make([]byte, 0, prefixSize))}
	// Kinds are letters, so the next kind is the end.
	r.end = Space{Group: sp.Group, Kind: sp.Kind + 1}.appendTo(make([]byte, 0, prefixSize))
	return r
}

// Get implements statestore.Reader.
func (r *reader) Get(key []byte) ([]byte, bool) {
	r.key = append(append(r.key[:0], r.prefix...), key...)
	return get(r.source, r.key)
}

func get(s source, key []byte) ([]byte, bool) {
	value, closer, err := s.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false
	}
	check("get", err)
	// A copy: state machines are tested on stores whose slices stay valid, and one kept too long would be damage without a sound.
	value = append(make([]byte, 0, len(value)), value...)
	check("get", closer.Close())
	return value, true
}

// Scan implements statestore.Reader.
func (r *reader) Scan(lo, hi []byte, fn func(key, value []byte) bool) {
	r.iterate(lo, hi, fn, (*pebble.Iterator).First, (*pebble.Iterator).Next)
}

// ScanReverse implements statestore.Reader.
func (r *reader) ScanReverse(lo, hi []byte, fn func(key, value []byte) bool) {
	r.iterate(lo, hi, fn, (*pebble.Iterator).Last, (*pebble.Iterator).Prev)
}

func (r *reader) iterate(lo, hi []byte, fn func(key, value []byte) bool, first, next func(*pebble.Iterator) bool) {
	opts := pebble.IterOptions{LowerBound: r.full(lo), UpperBound: r.end}
	if hi != nil {
		opts.UpperBound = r.full(hi)
	}
	it, err := r.source.NewIter(&opts)
	check("scan", err)
	closed := false
	defer func() { // fn may panic
		if !closed {
			_ = it.Close()
		}
	}()
	for ok := first(it); ok; ok = next(it) {
		value, err := it.ValueAndErr()
		check("scan", err)
		if !fn(r.copies.copy(it.Key()[prefixSize:]), r.copies.copy(value)) {
			break
		}
	}
	closed = true
	check("scan", errors.Join(it.Error(), it.Close()))
}

func (r *reader) full(key []byte) []byte {
	return append(append(make([]byte, 0, prefixSize+len(key)), r.prefix...), key...)
}

// durable reads what tables on disk hold, and nothing of the tables in memory.
type durable struct{ db *pebble.DB }

func (d durable) NewIter(o *pebble.IterOptions) (*pebble.Iterator, error) {
	o.OnlyReadGuaranteedDurable = true
	return d.db.NewIter(o)
}

func (d durable) Get(key []byte) ([]byte, io.Closer, error) {
	it, err := d.NewIter(&pebble.IterOptions{LowerBound: key, UpperBound: append(append([]byte{}, key...), 0)})
	if err != nil {
		return nil, nil, err
	}
	if !it.First() {
		if err := errors.Join(it.Error(), it.Close()); err != nil {
			return nil, nil, err
		}
		return nil, nil, pebble.ErrNotFound
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return nil, nil, errors.Join(err, it.Close())
	}
	return value, it, nil
}

// arena copies many small slices with few allocations.
type arena struct{ block []byte }

func (a *arena) copy(b []byte) []byte {
	if len(b) > 1024 {
		return append(make([]byte, 0, len(b)), b...)
	}
	if cap(a.block)-len(a.block) < len(b) {
		a.block = make([]byte, 0, 4096)
	}
	from := len(a.block)
	a.block = append(a.block, b...)
	return a.block[from:len(a.block):len(a.block)]
}
