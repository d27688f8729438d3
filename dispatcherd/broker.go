package dispatcherd

import (
	"context"

	"github.com/sendoff-dev/sendoff/internal/dispatcherd"
)

// Broker brings messages from outside, and takes answers there.
//
// Run blocks until ctx ends, and returns nil then. A connection that is lost, and a message
// that is wrong, is no reason to end: Run connects anew. An error ends the service. receive
// may be called by several goroutines; messages of one call after the other keep their
// order. It may wait while a database is slow, so it is not to be called where a heartbeat
// of the connection would starve.
type Broker interface {
	Run(ctx context.Context, receive func(Message)) error
}

// Recycler is a Broker that tells how often it had to connect anew; the control command
// producers shows it.
type Recycler interface {
	Recycled() int
}

// Message is one as it came: a task, a control command, or a piece of one that was too long
// for the broker.
type Message struct {
	Channel string // that it came over; its tasks are recorded in a queue of that name
	Payload []byte // JSON; the service keeps it, and does not change it

	// Reply sends an answer to the name that a control command gave as reply_to, which a
	// broker may leave aside when it knows where the question came from. It does not wait for
	// long. Answers that are longer than the broker takes are cut, see Split. nil = nobody
	// is answered.
	Reply func(to string, text []byte)
}

// Split cuts a message that is longer than limit bytes into messages that are not, as
// dispatcherd does and its clients expect. limit is at least 200.
func Split(text []byte, limit int) [][]byte { return dispatcherd.Split(text, limit) }

// named has a Broker do as one of the service.
type named struct {
	name string
	Broker
}

// Name implements dispatcherd.Broker.
func (n named) Name() string { return n.name }

// Health implements dispatcherd.Broker.
func (n named) Health() (h dispatcherd.Health) {
	if r, ok := n.Broker.(Recycler); ok {
		h.Recycled = r.Recycled()
	}
	return h
}

// Run implements dispatcherd.Broker.
func (n named) Run(ctx context.Context, receive func(dispatcherd.Incoming)) error {
	return n.Broker.Run(ctx, func(m Message) {
		receive(dispatcherd.Incoming{Channel: m.Channel, Payload: m.Payload, Reply: m.Reply})
	})
}
