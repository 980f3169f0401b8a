package listener

import (
	"fmt"
	"math"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Keys that the listener answers itself.
const (
	apiVersionsKey      = 18
	saslHandshakeKey    = 17
	saslAuthenticateKey = 36
)

// Own versions of those, as Kafka 4.3 tells them.
const (
	apiVersionsMax      = 4
	saslHandshakeMin    = 1 // version 0 goes on with bare tokens outside of requests; clients since 2017 use 1
	saslHandshakeMax    = 1
	saslAuthenticateMax = 2
)

const never = math.MaxInt16 // no version is flexible

// apiEntry is what is known of an API before its first request.
type apiEntry struct {
	API
	name string
	// The first versions with tagged fields in the request's and the response's header. Flexibility is by version, for both almost always the same.
	flexibleRequest, flexibleResponse int16
	shapes                            []*shape // by version - MinVersion; nil for private APIs

	count   prometheus.Counter
	seconds prometheus.Observer
}

func newAPITable(apis []API, m *metrics) (map[int16]*apiEntry, error) {
	table := map[int16]*apiEntry{}
	own := []API{
		{Key: apiVersionsKey, MaxVersion: apiVersionsMax},
		{Key: saslHandshakeKey, MinVersion: saslHandshakeMin, MaxVersion: saslHandshakeMax},
		{Key: saslAuthenticateKey, MaxVersion: saslAuthenticateMax},
	}
	for _, a := range append(own, apis...) {
		e, err := newAPIEntry(a)
		if err != nil {
			return nil, err
		}
		e.count, e.seconds = m.requests.WithLabelValues(e.name), m.seconds.WithLabelValues(e.name)
		table[a.Key] = e
	}
	return table, nil
}

func newAPIEntry(a API) (*apiEntry, error) {
	e := &apiEntry{API: a, name: a.Name, flexibleRequest: never, flexibleResponse: never}
	if a.Private {
		if e.name == "" {
			e.name = fmt.Sprintf("private_%d", a.Key)
		}
		return e, nil
	}
	e.name = kmsg.NameForKey(a.Key)
	for v := a.MaxVersion; v >= a.MinVersion; v-- {
		request := kmsg.RequestForKey(a.Key)
		request.SetVersion(v)
		response := request.ResponseKind()
		response.SetVersion(v)
		if request.IsFlexible() {
			e.flexibleRequest = v
		}
		if response.IsFlexible() {
			e.flexibleResponse = v
		}
	}
	if a.Key == apiVersionsKey {
		e.flexibleResponse = never // a client must be able to read the answer before it knows what the broker speaks
	}
	var err error
	e.shapes, err = shapesOf(a.Key, a.MinVersion, a.MaxVersion)
	return e, err
}
