// Package metadatacache follows a cluster's __metadata topic and holds the newest image of it: which topics exist, which settings
// are in force, which brokers are registered. Every request of a client looks at it; none waits for it, except to see its own change.
//
// # Contract
//   - Order: records are applied by offset. The image never goes back, also when it has to be built anew because records that it
//     missed were compacted away: the old one stays until the new one has caught up.
//   - Bytes: images are immutable and shared.
//   - Concurrency: all methods may be called by many; one goroutine follows the topic.
//   - Failure: while the Metadata cluster cannot be reached the image stays as it is, inkwell_metadatacache_age_seconds grows and polls are repeated
//     with jittered backoff. A record of a newer release stops the image there, loudly, until the broker is upgraded.
package metadatacache
