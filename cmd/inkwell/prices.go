package main

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"

	"github.com/inkwell-project/inkwell/topics"
)

// prices are what a store asks, in one currency; docs/prices.yaml explains each.
type prices struct {
	currency      string
	putPer1000    float64
	getPer1000    float64
	listPer1000   float64
	deletePer1000 float64
	writtenPerGiB float64
	readPerGiB    float64

	storedPerGiBMonth float64
}

// readPrices reports every mistake at once. What a store charges nothing for has to be said with a 0 where forgetting it would make the sum wrong: puts and gets.
func readPrices(path string) (*prices, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--prices: %w", err)
	}
	values, err := yaml.Parser().Unmarshal(text)
	if err != nil {
		return nil, fmt.Errorf("--prices %s: %w", path, err)
	}
	p := &prices{currency: "(no currency given)"}
	numbers := map[string]*float64{
		"put.per.1000": &p.putPer1000, "get.per.1000": &p.getPer1000, "list.per.1000": &p.listPer1000, "delete.per.1000": &p.deletePer1000,
		"written.per.gib": &p.writtenPerGiB, "read.per.gib": &p.readPerGiB, "stored.per.gib.month": &p.storedPerGiBMonth,
	}
	var mistakes []error
	mistake := func(format string, args ...any) {
		mistakes = append(mistakes, fmt.Errorf("--prices %s: "+format, append([]any{path}, args...)...))
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		to := numbers[key]
		if key == "currency" {
			if s, ok := values[key].(string); ok && s != "" && len(s) <= 16 {
				p.currency = s
			} else {
				mistake("currency is %v, must be a word of at most 16 bytes", values[key])
			}
			continue
		}
		if to == nil {
			mistake("%s is not a price; there are currency and %s", key, strings.Join(slices.Sorted(maps.Keys(numbers)), ", "))
			continue
		}
		n, ok := number(values[key])
		if !ok || !(n >= 0) || math.IsInf(n, 0) {
			mistake("%s is %v, must be a number of 0 or more", key, values[key])
			continue
		}
		*to = n
	}
	for _, key := range []string{"put.per.1000", "get.per.1000"} {
		if _, given := values[key]; !given {
			mistake("%s is missing; give 0 if it costs nothing", key)
		}
	}
	return p, errors.Join(mistakes...)
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

// of is what the requests and bytes of u cost.
func (p *prices) of(u *topics.StorageUse) float64 {
	thousands, gib := float64(u.Requests)/1000, float64(u.Bytes)/(1<<30)
	switch u.Kind {
	case "put":
		return thousands*p.putPer1000 + gib*p.writtenPerGiB
	case "get":
		return thousands*p.getPer1000 + gib*p.readPerGiB
	case "list":
		return thousands * p.listPer1000
	case "delete":
		return thousands * p.deletePer1000
	}
	return math.NaN() // a newer broker's kind: a sum without it would be a lie
}
