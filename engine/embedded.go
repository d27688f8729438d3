package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/exec/function"
	"github.com/sendoff-dev/sendoff/internal/inprocess"
	"github.com/sendoff-dev/sendoff/internal/server/guard"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Embed serves functions of this process under the endpoint embedded://NAME,
// without a connection: h is what you would mount in a server, nil takes it away
// again. A sendoff.Endpoint whose config has this engine embeds itself, until it is
// closed. Only this engine can run them, so it is for a program that is the only node
// of its database, or in which every node embeds the same. Requests are not signed.
// The error says that the name is taken.
func (e *Engine) Embed(name string, h http.Handler) error {
	if h == nil {
		e.embedded.Delete(name)
		return nil
	}
	if _, taken := e.embedded.LoadOrStore(name, NewTransport(h)); taken {
		return fmt.Errorf("embedded://%s serves functions already: want another name", name)
	}
	return nil
}

func (e *Engine) embeddedEndpoint(name string) (http.RoundTripper, bool) {
	t, ok := e.embedded.Load(name)
	if !ok {
		return nil, false
	}
	return t.(http.RoundTripper), true
}

// Transport answers requests to the engine's Handler in this process, for a
// sendoff.Client without a connection and without a key.
func (e *Engine) Transport() http.RoundTripper {
	return NewTransport(guard.Wrap(e.routes(HandlerConfig{}), guard.Config{Program: true}))
}

// Checkpoint puts the end of steps on disk while a function of this process runs, for
// a sendoff.Endpoint whose config has this engine. An error that is
// task.ErrStale means that the attempt must end.
func (e *Engine) Checkpoint(ctx context.Context, id string, token, offset int64, segment []byte) error {
	parsed, err := task.ParseID(id)
	if err != nil {
		return err
	}
	c := store.Checkpoint{ID: parsed, Token: token, Segment: task.Segment{Offset: offset, Bytes: segment}}
	errs, err := e.store.Append(ctx, []store.Checkpoint{c})
	if err == nil && errs[0] != nil {
		return fmt.Errorf("%w: %w", task.ErrStale, errs[0])
	}
	return err
}

// Receive tells a function of this process what came while it runs, for a
// sendoff.Endpoint whose config has this engine. It returns when there is something, after the time
// asked for, a minute at most, or when ctx ends. An error that is task.ErrStale means
// that the attempt must end.
func (e *Engine) Receive(ctx context.Context, m *sendoffv1.ReceiveRequest) (*sendoffv1.ReceiveResponse, error) {
	id, err := task.ParseID(m.GetDispatchId())
	if err != nil {
		return nil, fmt.Errorf("dispatch_id: %w", err)
	}
	wait := min(max(m.GetWait().AsDuration(), 0), time.Minute)
	r, err := e.functions.Receive(ctx, store.Held{ID: id, Token: m.GetToken()}, m.GetAfter(), wait)
	if errors.Is(err, store.ErrLeaseLost) {
		err = fmt.Errorf("%w: %w", task.ErrStale, err)
	}
	if err != nil {
		return nil, err
	}
	return function.Received(r)
}

func (e *Engine) embeds(name string) bool {
	_, ok := e.embedded.Load(name)
	return ok
}

// NewTransport returns a transport whose requests are answered by h in the same
// process. With it a sendoff.Client can talk to an engine's Handler without a
// connection.
func NewTransport(h http.Handler) http.RoundTripper { return inprocess.Transport(h) }
