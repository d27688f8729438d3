package sendoff

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/durable"
)

// Signal is a kind of message to running durable functions. Signals wait for
// the function until it takes them, each once, in their order. They need a
// Sendoff server.
type Signal[T any] struct{ name string }

// NewSignal names a signal.
func NewSignal[T any](name string) *Signal[T] { return &Signal[T]{name} }

// Recv waits for the next signal of this name.
func (s *Signal[T]) Recv(ctx context.Context) (T, error) { return s.Next(ctx).Await(ctx) }

// Next is the next signal of this name as a future. It takes one only while the
// function waits for it, so one that lost in a [Select] takes none.
func (s *Signal[T]) Next(ctx context.Context) *Future[T] {
	return &Future[T]{core: durable.Signal(ctx, s.name), name: "signal " + s.name, read: readValue[T]}
}

// Send gives a signal to the run with that dispatch id. It returns when the
// server has it on disk. In a durable function it is a step.
func (s *Signal[T]) Send(ctx context.Context, id string, v T, opts ...SendOption) error {
	value, err := encode(v)
	if err != nil {
		return err
	}
	return sendSignal(ctx, id, s.name, value, opts)
}

func sendSignal(ctx context.Context, id, name string, v durable.Value, opts []SendOption) error {
	send := func(ctx context.Context) (struct{}, error) {
		c, err := clientFor(ctx, nil, gather[SendOption](nil, opts))
		if err != nil {
			return struct{}{}, Permanent(err)
		}
		_, err = c.extension().SendSignal(ctx, &sendoffv1.SendSignalRequest{DispatchId: id, Name: name, Value: v.Any()})
		return struct{}{}, c.explain(err)
	}
	if !durable.In(ctx) {
		_, err := send(ctx)
		return err
	}
	_, err := Step(ctx, "signal "+name, send)
	return err
}

// Promise is a result that somebody outside gives to a durable function: hand
// its ID out, for instance in a mail, and wait. It needs a Sendoff server.
type Promise[T any] struct {
	id     string
	future *Future[T]
}

// NewPromise makes a promise of this run.
func NewPromise[T any](ctx context.Context) *Promise[T] {
	core, path := durable.Promise(ctx)
	f := &Future[T]{core: core, name: "promise", read: readValue[T]}
	return &Promise[T]{durable.InfoOf(ctx).ID + ":" + path, f}
}

// ID names the promise for [ResolvePromise] and [RejectPromise].
func (p *Promise[T]) ID() string { return p.id }

// Await waits until the promise is resolved or rejected.
func (p *Promise[T]) Await(ctx context.Context) (T, error) { return p.future.Await(ctx) }

func (p *Promise[T]) waitable() (*durable.Future, error) { return p.future.waitable() }

// ResolvePromise gives a promise its value. The first end of a promise counts;
// what comes later is ignored.
func ResolvePromise[T any](ctx context.Context, id string, v T, opts ...SendOption) error {
	value, err := encode(v)
	if err != nil {
		return err
	}
	return endPromise(ctx, id, value, opts)
}

// RejectPromise has the wait for a promise fail with err, as a [*CallError].
func RejectPromise(ctx context.Context, id string, err error, opts ...SendOption) error {
	if err == nil {
		return errors.New("sendoff: RejectPromise without an error")
	}
	a, fail := anypb.New(proto.Message(wireError(err)))
	if fail != nil {
		return fail
	}
	return endPromise(ctx, id, durable.FromAny(a), opts)
}

func endPromise(ctx context.Context, id string, v durable.Value, opts []SendOption) error {
	run, path, ok := strings.Cut(id, ":")
	if !ok || run == "" || path == "" {
		return fmt.Errorf("sendoff: promise id %q: want that of Promise.ID", id)
	}
	return sendSignal(ctx, run, durable.PromisePrefix+path, v, opts)
}
