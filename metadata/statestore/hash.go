package statestore

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// Hash covers every key and value that r shows. Stores of different kinds with the same contents agree, and so do replicas.
func Hash(r Reader) string {
	h := sha256.New()
	var size [8]byte
	r.Scan(nil, nil, func(key, value []byte) bool {
		binary.BigEndian.PutUint32(size[:4], uint32(len(key)))
		binary.BigEndian.PutUint32(size[4:], uint32(len(value)))
		h.Write(size[:])
		h.Write(key)
		h.Write(value)
		return true
	})
	return hex.EncodeToString(h.Sum(nil))
}
