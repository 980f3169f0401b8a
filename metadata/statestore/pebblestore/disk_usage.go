package pebblestore

import (
	"encoding/binary"
	"math"
)

// DiskUsage is about how many bytes of tables the groups have that were flushed. It reads no data.
func (s *Store) DiskUsage(groups []uint64) (total int64) {
	for _, g := range groups {
		end := binary.BigEndian.AppendUint64(nil, g+1)
		if g == math.MaxUint64 {
			end = append(binary.BigEndian.AppendUint64(nil, g), 0xff)
		}
		bytes, err := s.db.EstimateDiskUsage(binary.BigEndian.AppendUint64(nil, g), end)
		check("estimate the size of a group", err)
		total += int64(bytes)
	}
	return total
}
