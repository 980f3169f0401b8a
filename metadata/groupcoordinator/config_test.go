package groupcoordinator

import (
	"strings"
	"testing"
	"time"
)

func TestConfigReportsAllMistakes(t *testing.T) {
	c := Config{Settings: Settings{InitialRebalanceDelay: -1, MinSessionTimeout: time.Hour, MaxSize: -1, OffsetsRetention: time.Second}}
	c.SetDefaults()
	if c.Settings.InitialRebalanceDelay != 3*time.Second {
		t.Error(c.Settings.InitialRebalanceDelay)
	}
	err := c.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"needs a log", "UUIDs", "group.max.session.timeout.ms is 1800000", "group.max.size is -1", "offsets.retention.minutes is 1s"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %q", want, err)
		}
	}
}
