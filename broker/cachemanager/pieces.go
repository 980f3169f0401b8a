package cachemanager

import (
	"sync"

	"github.com/inkwell-project/inkwell/kafka"
	"github.com/inkwell-project/inkwell/objectformat"
	"github.com/inkwell-project/inkwell/rpc"
)

// A large coordinate is read in pieces: the batches between two entries of its index, as a coordinate of their own. Pieces end where a multiple of their size
// lies in the segment, so that all readers ask for the same ones, and small ones lie within large ones.

// piece is the part of the coordinate that has entry i, of about so many bytes, and the entry after it.
func (s *segmentIndex) piece(i int, bytes int64) (c rpc.Coordinate, next int) {
	x := s.entries
	bucket := x[i].Position / bytes
	first := i
	for first > 0 && x[first-1].Position/bytes == bucket {
		first--
	}
	for next = i + 1; next < len(x) && x[next].Position/bytes == bucket; next++ {
	}
	return s.between(first, next), next
}

// between is the part from one entry up to another, which may be the end.
func (s *segmentIndex) between(first, end int) rpc.Coordinate {
	c, x := s.coordinate, s.entries
	from, to := x[first].Position, int64(c.Bytes)
	if first > 0 {
		c.BaseOffset = x[first].BaseOffset
	} // else what the coordinate says, which may be a lower offset that has no record
	if end < len(x) {
		to, c.LastOffset = x[end].Position, x[end].BaseOffset-1
	}
	c.Position += from
	c.Bytes = int32(to - from)
	c.Batches = unknownBatches
	c.IndexPosition, c.IndexBytes = 0, 0
	c.MaxTimestamp = maxTimestamp(x[first:end])
	return c
}

// unknownBatches is the number of batches of a piece, which no index tells.
const unknownBatches = -1

func maxTimestamp(x objectformat.Index) int64 {
	out := int64(-1)
	for i := range x {
		out = max(out, x[i].MaxTimestamp)
	}
	return out
}

// isLarge says whether c is read in pieces of so many bytes.
func (m *Manager) isLarge(c *rpc.Coordinate, piece int64) bool {
	if c.IndexBytes > 0 {
		return int64(c.Bytes) > max(piece, 2*m.cfg.MinPieceBytes)
	}
	return int64(c.Bytes) > m.cfg.MaxSpanBytes
}

// inPieces puts the pieces of large coordinates, from offset on, in their place, until there are limit bytes. Where an index is not there yet, the list ends, and what
// is returned with it can be waited for.
func (m *Manager) inPieces(in []planned, topic kafka.TopicID, offset, limit, piece int64) (out []planned, missing *segmentIndex) {
	n := 0
	for n < len(in) && !m.isLarge(&in[n].Coordinate, piece) {
		n++
	}
	if n == len(in) {
		return in, nil
	}
	var bytes int64
	for i := range in {
		if i > 0 && bytes >= limit || len(out) >= maxPlanned {
			return out, nil
		}
		c := &in[i].Coordinate
		if i < n || !m.isLarge(c, piece) || m.cache.has(c) {
			bytes += restOf(c, offset)
			out = append(out, in[i])
			continue
		}
		x := m.indexes.get(c, topic)
		select {
		case <-x.ready:
		default:
			return out, x
		}
		if x.err != nil {
			return out, x
		}
		for k := x.entries.Find(offset); k < len(x.entries) && len(out) < maxPlanned; {
			p := planned{lagging: in[i].lagging}
			p.Coordinate, k = x.piece(k, piece)
			bytes += restOf(&p.Coordinate, offset)
			if out = append(out, p); bytes >= limit {
				return out, nil
			}
		}
	}
	return out, nil
}

// readers counts the partitions whose history is read one batch after the other these days: they share the lagging pool.
type readers struct {
	mu     sync.Mutex // guards all below; the last lock under any
	last   map[*partition]int64
	looked int64
}

// readerMillis is how long a partition counts after its last read.
const readerMillis = 5_000

// note counts p and says how many there are.
func (r *readers) note(p *partition, now int64) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now-r.looked > readerMillis/5 {
		r.looked = now
		for other, at := range r.last {
			if now-at > readerMillis {
				delete(r.last, other)
			}
		}
	}
	r.last[p] = now
	return len(r.last)
}

// shares is what one reader of history may take: the size of a piece and how far is read ahead. Half of the pool is for what is read now, half for what is read next.
// Pieces may fill the pool: a GET costs as much for a large one, and nobody is made to give up a piece that is not read to its end for more than the first of an answer.
func (m *Manager) shares(readers int) (piece, ahead int64) {
	each := m.cfg.LaggingBytes / 2 / int64(max(1, readers))
	piece = m.cfg.PieceBytes
	for piece/2 >= m.cfg.MinPieceBytes && piece > 2*each {
		piece /= 2
	}
	return piece, min(m.cfg.ReadAheadBytes, max(each, piece))
}
