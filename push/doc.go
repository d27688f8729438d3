// Package push is for apps that a Sendoff server pushes tasks to as HTTP requests:
// whether a request is the server's, what it says of the task, and what becomes of
// the task.
//
//	v := &push.Verifier{KeysURL: "http://127.0.0.1:4450"}
//	http.Handle("POST /hook", v.Middleware(push.HandlerFunc(hook)))
//
//	func hook(w http.ResponseWriter, r *http.Request) error {
//		t := push.TaskOf(r)
//		...
//		return err // nil: the task has succeeded; other errors: see HandlerFunc
//	}
//
// An app that writes its answers itself needs only the [Verifier]: 2xx has done the
// task, 400 or 422 will never do it, anything else is tried again later. The
// header [HeaderRetry], "no" or "yes", says it explicitly, and Retry-After names
// the time.
//
// The package links the standard library, a parser of header fields and the words
// of tasks: neither the client, nor durable functions, nor a server.
package push
