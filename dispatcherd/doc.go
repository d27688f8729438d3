// Package dispatcherd runs the service that the command sendoff dispatcherd is in a Go
// program, with brokers of its own: transports that dispatcherd's publishers, or others,
// send their messages over. See docs/dispatcherd.md, and examples/nats for one.
//
// It knows no database and no broker with a driver: a program links what it passes in. The
// broker on PostgreSQL NOTIFY is the command's.
package dispatcherd
