package sendoff

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/durable"
	"github.com/sendoff-dev/sendoff/task"
)

// checkpointHere is checkpoint within the process of the server.
func (e *Endpoint) checkpointHere(ctx context.Context, id string, token int64, a *sendoffv1.Append) error {
	err := e.config.Engine.Checkpoint(ctx, id, token, a.GetOffset(), a.GetSegment())
	if errors.Is(err, task.ErrStale) {
		return fmt.Errorf("%w: %w", durable.ErrStale, err)
	}
	return err
}

// receiveWait is how long one question to the server waits for an answer.
const receiveWait = 25 * time.Second

// receive asks the server what came for a run that is under way.
func (e *Endpoint) receive(ctx context.Context, id string, token, after int64) (*sendoffv1.ReceiveResponse, error) {
	ask := e.client.extension().Receive
	if e.config.Engine != nil {
		ask = e.config.Engine.Receive
	}
	res, err := ask(ctx, &sendoffv1.ReceiveRequest{DispatchId: id, Token: token, After: after, Wait: durationpb.New(receiveWait)})
	if err != nil && (errors.Is(err, task.ErrStale) || connect.CodeOf(err) == connect.CodeAborted) {
		return nil, fmt.Errorf("%w: %w", durable.ErrStale, err)
	}
	return res, err
}

// checkpoint puts the end of steps on the server's disk while a run goes on.
func (e *Endpoint) checkpoint(ctx context.Context, id string, token int64, a *sendoffv1.Append) error {
	_, err := e.client.extension().Checkpoint(ctx, &sendoffv1.CheckpointRequest{DispatchId: id, Token: token, Append: a})
	switch connect.CodeOf(err) {
	case connect.CodeAborted, connect.CodeFailedPrecondition, connect.CodeNotFound:
		if err != nil {
			return fmt.Errorf("%w: %w", durable.ErrStale, err)
		}
	}
	return e.client.explain(err)
}
