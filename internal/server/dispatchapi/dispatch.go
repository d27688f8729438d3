package dispatchapi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1/sdkv1connect"
	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/protocol"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Dispatch records all the calls, or none. A request with an Idempotency-Key
// that is sent again gets the ids of the calls that are there already.
func (d *door) Dispatch(ctx context.Context, m *sdkv1.DispatchRequest) (*sdkv1.DispatchResponse, error) {
	subs, err := d.submissions(m.GetCalls())
	if err != nil {
		return nil, err
	}
	if len(subs) == 0 {
		return &sdkv1.DispatchResponse{}, nil
	}
	if info, ok := connect.CallInfoForHandlerContext(ctx); ok {
		keys := info.RequestHeader().Values("Idempotency-Key")
		if len(keys) > 1 {
			return nil, invalid("Idempotency-Key: want one, or none")
		}
		identify(subs, strings.Join(keys, ""), sdkv1connect.DispatchServiceDispatchProcedure, m)
	}
	results, err := d.submit(ctx, subs)
	if err != nil {
		return nil, err
	}
	reply := &sdkv1.DispatchResponse{DispatchIds: make([]string, len(results))}
	for i := range results {
		reply.DispatchIds[i] = results[i].ID.String()
	}
	return reply, nil
}

func (d *door) submissions(calls []*sdkv1.Call) ([]accept.Submission, error) {
	if len(calls) > task.MaxBatch {
		return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("calls: has %d entries: at most %d are allowed", len(calls), task.MaxBatch))
	}
	var bad task.Invalid
	rules := protocol.Rules{Embedded: d.cfg.Embedded}
	subs := make([]accept.Submission, len(calls))
	for i, c := range calls {
		rules.Check(&bad, fmt.Sprintf("calls[%d].", i), c)
		if len(bad) == 0 {
			subs[i] = submission(c)
		}
	}
	if err := bad.Err(); err != nil {
		return nil, failure(err)
	}
	return subs, nil
}

// submission is the task that a call asks for. A call without an expiration gets
// the default one when it is accepted.
func submission(c *sdkv1.Call) accept.Submission {
	o := c.GetOptions()
	s := accept.Submission{
		Queue: o.GetQueue(), Priority: protocol.Priority(o), Delay: o.GetDelay().AsDuration(),
		Spec: protocol.Spec(c), Payload: protocol.Payload(c.GetInput()),
	}
	if d := c.GetExpiration().AsDuration(); d > 0 {
		s.ExpiresAt = time.Now().Add(s.Delay + d)
	}
	return s
}

// identify gives the submissions the client's key. What carries it is the whole
// message, so one with another call is another request.
func identify(subs []accept.Submission, key, procedure string, m proto.Message) {
	if key == "" {
		return
	}
	print := store.HashOf([]byte(procedure), protocol.Encode(m))
	for i := range subs {
		subs[i].IdempotencyKey, subs[i].Fingerprint = key, print
		if len(subs) > 1 {
			subs[i].Item = i + 1
		}
	}
}

// submit stores submissions, all or none.
func (d *door) submit(ctx context.Context, subs []accept.Submission) ([]accept.Result, error) {
	if info, ok := connect.CallInfoForHandlerContext(ctx); ok {
		trace := task.ParseTrace(info.RequestHeader().Get("Traceparent"))
		for i := range subs {
			subs[i].Spec.Trace = trace
		}
	}
	results, err := d.cfg.Submit.Accept(ctx, subs, true)
	if invalid, ok := errors.AsType[task.Invalid](err); ok {
		return nil, failure(renamed(invalid))
	}
	if err != nil {
		return nil, failure(err)
	}
	for i := range results {
		switch res := &results[i]; res.Status {
		case store.Mismatch:
			return nil, connect.NewError(connect.CodeInvalidArgument, errors.New("this Idempotency-Key was used for another request within the last 24 hours: use a new key for a new request"))
		case store.Conflict:
			return results, connect.NewError(connect.CodeAlreadyExists, fmt.Errorf("calls[%d]: a call with this id exists already: %s", i, res.ID))
		case store.Invalid:
			return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("calls[%d]: the database cannot store a value of this call", i))
		}
	}
	return results, nil
}

// renamed says calls where accept says tasks.
func renamed(bad task.Invalid) task.Invalid {
	var out task.Invalid
	for _, f := range bad {
		rest, many := strings.CutPrefix(f.Field, "tasks")
		if !many {
			rest = "[0]." + f.Field
		}
		out.Add("calls"+rest, "%s", f.Message)
	}
	return out
}

// codes say how errors are answered.
var codes = []struct {
	err  error
	code connect.Code
}{
	{store.ErrNotFound, connect.CodeNotFound},
	{store.ErrFinal, connect.CodeFailedPrecondition},
	{store.ErrNotFunction, connect.CodeFailedPrecondition},
	{store.ErrLeaseLost, connect.CodeAborted},
	{store.ErrBadValue, connect.CodeFailedPrecondition},
	{store.ErrOldNode, connect.CodeFailedPrecondition},
	{store.ErrTooManyQueues, connect.CodeResourceExhausted},
	{accept.ErrBusy, connect.CodeUnavailable},
	{accept.ErrNoAccept, connect.CodeUnavailable},
	{context.DeadlineExceeded, connect.CodeDeadlineExceeded},
	{context.Canceled, connect.CodeUnavailable}, // the server stops; or the client is gone and sees nothing
}

// failure turns an error of the rooms into an answer. Unknown ones come from the
// database: their text is not for clients.
func failure(err error) *connect.Error {
	if invalid, ok := errors.AsType[task.Invalid](err); ok {
		return connect.NewError(connect.CodeInvalidArgument, invalid)
	}
	if over, ok := errors.AsType[store.OverQuota](err); ok {
		return connect.NewError(connect.CodeResourceExhausted, over)
	}
	for _, row := range codes {
		if errors.Is(err, row.err) {
			return connect.NewError(row.code, err)
		}
	}
	if errors.Is(err, store.ErrFull) { // of which the text is not for clients either
		return connect.NewError(connect.CodeUnavailable, errors.New(store.ErrFull.Error()+": nothing was stored, try again"))
	}
	return connect.NewError(connect.CodeUnavailable, unknown{err})
}

// unknown is an error of the database, of which clients are not told the text.
type unknown struct{ cause error }

func (unknown) Error() string { return "the database does not answer: try again" }

// tell hands the cause of an unknown error to those who run the server.
func (d *door) tell(err error) {
	if u, ok := errors.AsType[unknown](err); ok && d.cfg.Unknown != nil {
		d.cfg.Unknown(u.cause)
	}
}

// telling is tell for every call.
func (d *door) telling(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		res, err := next(ctx, req)
		d.tell(err)
		return res, err
	}
}
