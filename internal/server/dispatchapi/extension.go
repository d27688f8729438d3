package dispatchapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/anypb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/gen/sendoff/v1/sendoffv1connect"
	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/protocol"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// maxWait is how long an answer is held back.
const maxWait = time.Minute

// extension implements FunctionExtension.
type extension struct{ *door }

func invalid(format string, args ...any) *connect.Error {
	return connect.NewError(connect.CodeInvalidArgument, fmt.Errorf(format, args...))
}

// Checkpoint appends to the journal of a run that is under way. Aborted says that
// the run is not this instance's any more, FailedPrecondition that the journal
// does not stand where the segment begins.
func (e extension) Checkpoint(ctx context.Context, m *sendoffv1.CheckpointRequest) (*sendoffv1.CheckpointResponse, error) {
	id, err := task.ParseID(m.GetDispatchId())
	switch a := m.GetAppend(); {
	case err != nil:
		return nil, invalid("dispatch_id: %w", err)
	case a == nil || len(a.GetSegment()) == 0:
		return nil, invalid("append.segment: is empty")
	case a.GetOffset() < 0:
		return nil, invalid("append.offset: is negative")
	case a.GetOffset() > task.MaxState-int64(len(a.GetSegment())):
		return nil, invalid("append: the journal would have more than %d bytes: begin a new one with Loop or a tail call", task.MaxState)
	}
	c := store.Checkpoint{ID: id, Token: m.GetToken(), Segment: task.Segment{Offset: m.GetAppend().GetOffset(), Bytes: m.GetAppend().GetSegment()}}
	errs, err := e.cfg.Journals.Append(ctx, []store.Checkpoint{c})
	if err == nil && len(errs) == 1 {
		err = errs[0]
	}
	if err != nil {
		return nil, failure(err)
	}
	return &sendoffv1.CheckpointResponse{}, nil
}

// Receive tells a run that is under way what came after its request. Aborted says
// that the run is not this instance's any more.
func (e extension) Receive(ctx context.Context, m *sendoffv1.ReceiveRequest) (*sendoffv1.ReceiveResponse, error) {
	if _, err := task.ParseID(m.GetDispatchId()); err != nil {
		return nil, invalid("dispatch_id: %w", err)
	}
	if m.GetAfter() < 0 {
		return nil, invalid("after: is negative")
	}
	told, err := e.cfg.Receive(ctx, m)
	if err != nil {
		return nil, failure(err)
	}
	return told, nil
}

// Start makes a call, once for an id and for an idempotency key.
func (e extension) Start(ctx context.Context, m *sendoffv1.StartRequest) (*sendoffv1.StartResponse, error) {
	call := &sdkv1.Call{
		Endpoint: m.GetEndpoint(), Function: m.GetFunction(), Input: m.GetInput(), Expiration: m.GetExpiration(), Options: m.GetOptions(),
	}
	var bad task.Invalid
	rules := protocol.Rules{Embedded: e.cfg.Embedded}
	rules.Check(&bad, "", call)
	if err := bad.Err(); err != nil {
		return nil, failure(err)
	}
	sub := submission(call)
	sub.Spec.ClientID = m.GetId()
	subs := []accept.Submission{sub}
	identify(subs, m.GetIdempotencyKey(), sendoffv1connect.FunctionExtensionStartProcedure, m)
	results, err := e.submit(ctx, subs)
	if len(results) == 1 && results[0].Status == store.Conflict && results[0].Key == store.ClientIDKey {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	return &sendoffv1.StartResponse{DispatchId: results[0].ID.String(), Existing: results[0].Status != store.Created}, nil
}

// Wait returns when a call has ended, or after a time.
func (e extension) Wait(ctx context.Context, m *sendoffv1.WaitRequest) (*sendoffv1.WaitResponse, error) {
	if m.GetDispatchId() == "" {
		return nil, invalid("dispatch_id: is missing")
	}
	atMost := maxWait
	if d := m.GetTimeout(); d != nil {
		atMost = min(max(d.AsDuration(), 0), maxWait)
	}
	t, result, err := e.wait(ctx, m.GetDispatchId(), atMost)
	if err != nil {
		return nil, failure(err)
	}
	reply := &sendoffv1.WaitResponse{State: t.State.String()}
	if result != nil {
		reply.Done = true
		if reply.Result, err = anypb.New(result); err != nil {
			return nil, failure(err)
		}
	}
	return reply, nil
}

// SendSignal gives a message to a run, which is resumed for it when it waits.
func (e extension) SendSignal(ctx context.Context, m *sendoffv1.SendSignalRequest) (*sendoffv1.SendSignalResponse, error) {
	switch {
	case m.GetDispatchId() == "":
		return nil, invalid("dispatch_id: is missing")
	case len(m.GetValue().GetValue()) > task.MaxSignal:
		return nil, invalid("value: has %d bytes: at most %d are allowed", len(m.GetValue().GetValue()), task.MaxSignal)
	}
	if err := e.cfg.Signals.Signal(ctx, m.GetDispatchId(), m.GetName(), protocol.Payload(m.GetValue())); err != nil {
		return nil, failure(err)
	}
	return &sendoffv1.SendSignalResponse{}, nil
}

// wait returns a call, and its result when it has ended within the time.
func (d *door) wait(ctx context.Context, id string, atMost time.Duration) (operate.Task, *sdkv1.CallResult, error) {
	t, err := d.cfg.Tasks.Wait(ctx, id, atMost)
	if errors.Is(err, context.Canceled) && t.Spec != nil {
		return t, nil, nil // the server stops: ask again
	}
	if err != nil {
		return t, nil, err
	}
	if t.Kind != task.Function {
		return t, nil, fmt.Errorf("task %q: %w", id, store.ErrNotFunction)
	}
	if !t.State.Final() {
		return t, nil, nil
	}
	end := protocol.End{ID: t.ID, State: t.State, Reason: t.Reason, Error: t.LastError}
	if t.State != task.Canceled {
		if end.Body, err = d.cfg.Tasks.Result(ctx, &t); err != nil {
			return t, nil, err
		}
	}
	return t, protocol.Result(&end), nil
}

var errNotEnded = errors.New("the call has not ended: ask again")
