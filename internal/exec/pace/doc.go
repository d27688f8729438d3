// Package pace decides how much an endpoint is sent, and when it is left alone. It
// belongs to the executors that call hosts of others.
//
// A [Limiter] bounds the attempts under way on a host, and finds out how many it can
// take. A [Circuit] leaves an endpoint alone that cannot be reached or is out of order,
// and has one attempt ask whether that is over. A [Line] says when those are to come
// back that got no room. [Slots] keeps one host from taking all the room of a node.
// [Book] remembers all of it by endpoint and host.
//
// What is put off has spent no attempt. It knows neither tasks' outcomes nor the
// database: executors say what an attempt has shown, in the words of [End].
package pace
