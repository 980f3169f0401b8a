package listener

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ApiVersions is answered by the listener, from its own table. kmsg's MaxVersion is never told: the codec runs ahead of what is served.

// Kafka's rule for the client's software name and version.
var softwarePattern = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$`)

const (
	produceKey                = 0
	maxSoftwareText           = 256
	firstWithSoftware         = 3
	firstWithZeroMinFeature   = 4 // KIP-1022: older clients refuse a feature whose lowest level is 0
	unsupportedAnswerVersion  = 0 // what every client can read
	producesAdvertisedMinimum = 0 // librdkafka takes a broker that does not tell Produce v0 for one without compression; Kafka tells it, too, and refuses it
)

func (c *connection) serveAPIVersions(cl *call) error {
	r := &cl.req
	resp := kmsg.NewPtrApiVersionsResponse()
	if r.Version < 0 || r.Version > apiVersionsMax {
		resp.ErrorCode = kerr.UnsupportedVersion.Code
		resp.ApiKeys = []kmsg.ApiVersionsResponseApiKey{{ApiKey: apiVersionsKey, MaxVersion: apiVersionsMax}}
		r.Version = unsupportedAnswerVersion
		r.Reply(resp)
		return nil
	}
	if err := cl.decode(); err != nil {
		return err
	}
	if r.Version >= firstWithSoftware {
		req := r.Message.(*kmsg.ApiVersionsRequest)
		name, version := req.ClientSoftwareName, req.ClientSoftwareVersion
		if !validSoftware(name) || !validSoftware(version) {
			resp.ErrorCode = kerr.InvalidRequest.Code
			r.Reply(resp)
			return nil
		}
		c.Conn.software.Store(&clientSoftware{name, version})
	}
	resp.ApiKeys = c.s.apiKeys()
	c.addFeatures(resp, r.Version)
	r.Reply(resp)
	return nil
}

func validSoftware(s string) bool { return len(s) <= maxSoftwareText && softwarePattern.MatchString(s) }

func (s *Server) apiKeys() []kmsg.ApiVersionsResponseApiKey {
	keys := make([]kmsg.ApiVersionsResponseApiKey, 0, len(s.apis))
	for _, a := range s.apis {
		if a.Private {
			continue
		}
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MinVersion, k.MaxVersion = a.Key, a.MinVersion, a.MaxVersion
		if a.Key == produceKey {
			k.MinVersion = producesAdvertisedMinimum
		}
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b kmsg.ApiVersionsResponseApiKey) int { return int(a.ApiKey) - int(b.ApiKey) })
	return keys
}

func (c *connection) addFeatures(resp *kmsg.ApiVersionsResponse, version int16) {
	if c.s.cfg.Features == nil {
		return
	}
	f := c.s.cfg.Features()
	for _, s := range f.Supported {
		if s.MinVersion > 0 || version >= firstWithZeroMinFeature {
			resp.SupportedFeatures = append(resp.SupportedFeatures, s)
		}
	}
	resp.FinalizedFeatures, resp.FinalizedFeaturesEpoch = f.Finalized, f.FinalizedEpoch
}

// APIVersions is the table that ApiVersions tells, for documents and tests.
func (s *Server) APIVersions() []string {
	var lines []string
	for _, k := range s.apiKeys() {
		lines = append(lines, fmt.Sprintf("%s %d %d to %d", kmsg.NameForKey(k.ApiKey), k.ApiKey, k.MinVersion, k.MaxVersion))
	}
	return lines
}
