package batchprocessor

import (
	"strings"
	"testing"
	"time"
)

func TestDefaultsAreValid(t *testing.T) {
	cloud, local := Config{Cluster: "c"}, Config{Cluster: "c"}
	cloud.SetDefaults()
	local.SetLocalDefaults()
	for _, c := range []Config{cloud, local} {
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestValidateReportsEveryMistake(t *testing.T) {
	c := Config{}
	c.SetDefaults()
	c.UploadSlots, c.GroupWait, c.MaxBufferedBytes = -1, time.Hour, 5
	err := c.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"Cluster", "UploadSlots is -1", "GroupWait is 1h0m0s", "MaxBufferedBytes is 5"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %q", err, want)
		}
	}
}
