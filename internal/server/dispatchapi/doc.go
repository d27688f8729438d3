// Package dispatchapi is the door for the SDKs of Dispatch, unchanged, and for
// Sendoff's own: DispatchService takes calls in, by Connect, gRPC and gRPC-Web;
// SigningKeyService hands out the key with which runs are signed; bridge sessions
// let apps fetch their runs that cannot be called; and FunctionExtension is what
// Sendoff adds.
//
// The guard in front has let the client in before anything here is decoded. gRPC
// needs HTTP/2, without TLS as h2c: set http.Server.Protocols.
package dispatchapi
