package limitedlog

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/inkwell-project/inkwell/internal/clock"
	"github.com/inkwell-project/inkwell/internal/logtest"
)

func TestTenLinesASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out logtest.Buffer
		l := New(slog.New(slog.NewTextHandler(&out, nil)), clock.System)
		for range 500 {
			l.Warn("garbage")
			l.Error("worse")
		}
		if lines := out.Count("\n"); lines != maxLinesPerSecond {
			t.Errorf("%d lines in a moment, want %d", lines, maxLinesPerSecond)
		}
		time.Sleep(time.Second)
		l.Warn("later")
		if !strings.Contains(out.String(), "msg=later suppressed=990") {
			t.Errorf("what was left out is not told:\n%s", out.String())
		}
	})
}

func TestCapped(t *testing.T) {
	if got := Capped(strings.Repeat("x", 1<<20)); len(got) > maxErrorText+3 {
		t.Errorf("%d bytes", len(got))
	}
	if got := Capped("short"); got != "short" {
		t.Errorf("%q", got)
	}
}
