package main

import (
	"io"
	"testing"

	"github.com/inkwell-project/inkwell/internal/settings"
)

// The default cache has a piece of the largest size for each of 16 partitions whose history is read: smaller pieces are twice the GETs.
func TestDefaultCacheHasLargePieces(t *testing.T) {
	var b brokerSettings
	s := settings.New("broker", "")
	b.define(s, "file:///store")
	if err := s.Load(nil, nil, io.Discard); err != nil {
		t.Fatal(err)
	}
	cfg, err := b.config()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Cache.SetDefaults()
	if want := 16 * cfg.Cache.PieceBytes; cfg.Cache.LaggingBytes < want {
		t.Errorf("lagging readers have %d bytes of the cache, want %d", cfg.Cache.LaggingBytes, want)
	}
}
