package configs

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Type is a setting's type, numbered as DescribeConfigs does.
type Type = kmsg.ConfigType

// The types.
const (
	Boolean  = kmsg.ConfigTypeBoolean
	String   = kmsg.ConfigTypeString
	Int      = kmsg.ConfigTypeInt
	Short    = kmsg.ConfigTypeShort
	Long     = kmsg.ConfigTypeLong
	Double   = kmsg.ConfigTypeDouble
	List     = kmsg.ConfigTypeList
	Class    = kmsg.ConfigTypeClass
	Password = kmsg.ConfigTypePassword
)

// Definition is one setting.
type Definition struct {
	Name string
	Type Type
	// Default is nil where Kafka has no default.
	Default *string
	// Broker is, for a topic's setting, the broker's setting whose value is used where the topic has none.
	Broker    string
	Dynamic   bool // a broker's setting that can be altered while it runs
	Sensitive bool // never shown
	Doc       string
	check     check
}

// Lookup finds a value that was set somewhere.
type Lookup func(name string) (string, bool)

// None is a Lookup that finds nothing.
func None(string) (string, bool) { return "", false }

func value(s string) *string { return &s }

// Invalid says why a setting was refused; users see the text.
type Invalid struct{ Reason string }

func (e *Invalid) Error() string { return e.Reason }

func invalid(name, value, reason string) *Invalid {
	const most = 200 // a value may be as large as a request
	if len(value) > most {
		value = value[:most] + "..."
	}
	return &Invalid{fmt.Sprintf("Invalid value %s for configuration %s: %s", value, name, reason)}
}

// Validate says whether value may be set.
func (d *Definition) Validate(value string) error {
	value = strings.TrimSpace(value)
	n, reason := parse(d.Type, value)
	if reason == "" && d.check != nil {
		reason = d.check(n, value)
	}
	if reason != "" {
		return invalid(d.Name, value, reason)
	}
	return nil
}

// parse gives a number for the numeric types. LIST values are checked by listOf.
func parse(t Type, value string) (n float64, reason string) {
	var err error
	var whole int64
	switch t {
	case Boolean:
		if !strings.EqualFold(value, "true") && !strings.EqualFold(value, "false") {
			return 0, "Expected value to be either true or false"
		}
		return 0, ""
	case Int:
		whole, err = strconv.ParseInt(value, 10, 32)
	case Short:
		whole, err = strconv.ParseInt(value, 10, 16)
	case Long:
		whole, err = strconv.ParseInt(value, 10, 64)
	case Double:
		n, err = strconv.ParseFloat(value, 64)
		if err != nil || math.IsNaN(n) {
			return 0, "Not a number of type DOUBLE"
		}
		return n, ""
	default:
		return 0, ""
	}
	if err != nil {
		return 0, "Not a number of type " + typeNames[t]
	}
	return float64(whole), ""
}

var typeNames = map[Type]string{Int: "INT", Short: "SHORT", Long: "LONG"}

// check returns why a value of the right type is refused, or "".
type check func(n float64, value string) string

func atLeast(least int64) check {
	return func(n float64, _ string) string {
		if n < float64(least) {
			return fmt.Sprintf("Value must be at least %d", least)
		}
		return ""
	}
}

func between(least, most int64) check {
	return func(n float64, _ string) string {
		switch {
		case n < float64(least):
			return fmt.Sprintf("Value must be at least %d", least)
		case n > float64(most):
			return fmt.Sprintf("Value must be no more than %d", most)
		}
		return ""
	}
}

func gzipLevel(n float64, _ string) string {
	if n != -1 && (n < 1 || n > 9) {
		return "Value must be between 1 and 9 or equal to -1"
	}
	return ""
}

func oneOf(words ...string) check {
	return func(_ float64, value string) string {
		if !slices.Contains(words, value) {
			return "String must be one of: " + strings.Join(words, ", ")
		}
		return ""
	}
}

func listOf(words ...string) check {
	return func(_ float64, value string) string {
		parts := Split(value)
		for i, p := range parts {
			switch {
			case p == "":
				return "Values must not be empty"
			case !slices.Contains(words, p):
				return "String must be one of: " + strings.Join(words, ", ")
			case slices.Contains(parts[:i], p):
				return "Values must not be duplicated"
			}
		}
		return ""
	}
}

// Split takes a LIST value apart.
func Split(value string) []string {
	value = strings.TrimSpace(value)
	if value == "" {
		return nil
	}
	parts := strings.Split(value, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// throttledReplicas is the format of the throttled.replicas settings: '*' or partition:broker pairs.
func throttledReplicas(_ float64, value string) string {
	parts := Split(value)
	if strings.Join(parts, "") == "*" {
		return ""
	}
	for _, p := range parts {
		partition, broker, _ := strings.Cut(p, ":")
		if p != "" && !(digits(partition) && digits(broker)) {
			return "Value must be the literal '*' or a list of [partitionId]:[brokerId]"
		}
	}
	return ""
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// table is an index over definitions.
type table struct {
	sorted []*Definition
	byName map[string]*Definition
}

func newTable(parts ...[]Definition) *table {
	t := &table{byName: map[string]*Definition{}}
	for _, part := range parts {
		for i := range part {
			t.sorted = append(t.sorted, &part[i])
			t.byName[part[i].Name] = &part[i]
		}
	}
	sort.Slice(t.sorted, func(i, j int) bool { return t.sorted[i].Name < t.sorted[j].Name })
	return t
}

var (
	topicSettings  = newTable(topicTable)
	brokerSettings = newTable(brokerTable, brokerLogTable, brokerCoordinatorTable, brokerSecurityTable)
)

// Topic is the definition of a topic's setting.
func Topic(name string) (*Definition, bool) { d, ok := topicSettings.byName[name]; return d, ok }

// Broker is the definition of a broker's setting.
func Broker(name string) (*Definition, bool) { d, ok := brokerSettings.byName[name]; return d, ok }

// Topics are all settings of a topic, by name.
func Topics() []*Definition { return topicSettings.sorted }

// Brokers are all settings of a broker, by name.
func Brokers() []*Definition { return brokerSettings.sorted }
