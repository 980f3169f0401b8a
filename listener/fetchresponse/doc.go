// Package fetchresponse encodes Fetch answers (v4 to v18) with the record bytes left where they are, so that a Fetch is served by a vectored
// write of cached slices. All other fields come from the kmsg structs.
//
// # Contract
//   - Order: topics and partitions are written in the order of the response.
//   - Bytes: the concatenation is byte for byte what kmsg.FetchResponse.AppendTo writes for the same content. The returned buffers alias the
//     caller's record slices, which must stay valid and unchanged until the answer was written (listener.Response.Release says when).
//   - Concurrency: Append keeps nothing; the response must not change during the call.
//   - Failure: none; versions below 4 or above 18 are a mistake of the caller and panic.
package fetchresponse
