package kafka

import (
	"fmt"
	"strings"
)

const maxTopicName = 249 // so that folders of tools, which add a partition to it, have a valid name

// InvalidTopicName says why Kafka refuses a topic of this name, or "".
func InvalidTopicName(name string) string {
	switch {
	case name == "":
		return "Topic name is invalid: the empty string is not allowed"
	case name == "." || name == "..":
		return fmt.Sprintf("Topic name is invalid: '%s' is not allowed", name)
	case len(name) > maxTopicName:
		return fmt.Sprintf("Topic name is invalid: the length of '%.60s...' is longer than the max allowed length %d", name, maxTopicName)
	}
	for i := range len(name) {
		ch := name[i]
		if !(ch >= 'a' && ch <= 'z' || ch >= 'A' && ch <= 'Z' || ch >= '0' && ch <= '9' || strings.IndexByte("._-", ch) >= 0) {
			return fmt.Sprintf("Topic name is invalid: %q contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'", name)
		}
	}
	return ""
}
