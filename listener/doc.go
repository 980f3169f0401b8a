// Package listener is sockets, frames and request order: both halves listen with it. A Server accepts connections, reads requests in Kafka's
// framing, decodes them and gives them to the API that its table names; answers may come later and from any goroutine.
//
// Each connection has a reader goroutine, which also runs API.Serve, and a writer goroutine, which writes all answers that are ready at once.
// ApiVersions and SASL are answered here, from the same table and the Authenticator handed in.
//
// # Contract
//   - Order: requests of a connection reach Serve in their order and answers leave in that order. With Config.OutOfOrder each request has a
//     goroutine of its own and answers leave as they come, matched by correlation id; requests of an InOrder API keep their order among themselves.
//   - Bytes: a request's byte slices alias Request.Frame, which is valid until the request is answered, and longer with Retain. A frame's bytes
//     are taken from Config.ByteCredits before its body is read and given back when the frame's last reference goes: a slow store thus pushes
//     back on sockets, of producers; what is small and not Produce has a reserve. Response.Vector belongs to the connection until Release is called, exactly once, also when the connection died.
//   - Concurrency: Reply may be called from any goroutine, once; a second answer is logged and dropped.
//   - Failure: bytes that make no sense, a panic, an unknown key or version close the one connection, after a log line. A body cannot make the decoder
//     allocate more than a named multiple of its size. The context given to Serve ends with the connection; context.Cause says why.
//
// Private APIs (bodies that are no Kafka message) use request header v1 and response header v0: the plain ones without tagged fields.
package listener
