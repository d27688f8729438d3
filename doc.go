// Package sendoff is what an app that works with a Sendoff server needs.
//
// The server pushes tasks to the app as HTTP requests. [Verifier] tells whether a
// request really comes from that server, before the app reads its body:
//
//	v := &sendoff.Verifier{KeysURL: "http://127.0.0.1:4450"}
//	http.Handle("POST /hook", v.Middleware(http.HandlerFunc(hook)))
//
// Within the handler, the answer's status is the task's outcome: 2xx has done it,
// 400 or 422 will never do it, and anything else is tried again later. The header
// "Sendoff-Retry: no" or "yes" says it explicitly, and Retry-After names the time.
//
// The package imports neither the engine nor a store, so that an app links none
// of the server.
package sendoff
