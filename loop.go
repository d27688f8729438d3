package sendoff

import (
	"bytes"
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/durable"
)

// When a loop starts a new journal.
const (
	loopCommands = 2000
	loopBytes    = 1 << 20
)

// Loop runs body again and again until it is done, and keeps the journal short:
// when that has become long, the call goes on with an empty one, with the state
// s encoded as an input is. It may go on for ever.
//
// Make it what a function consists of, and return its error as it is. What the
// function did before Loop is done again with each new journal. Signals that
// nobody took are kept. In a branch the journal only grows.
func Loop[S any](ctx context.Context, s S, body func(ctx context.Context, s *S) (done bool, err error)) (S, error) {
	if e, ok := ctx.Value(envelopeKey{}).(*envelope); ok && e.state.URL != "" {
		kept, err := decode[S](e.state)
		if err != nil {
			return s, fmt.Errorf("sendoff: Loop: the state of the last journal: %w", err)
		}
		s, e.state = kept, durable.Value{}
	}
	for {
		done, err := body(ctx, &s)
		if done || err != nil {
			return s, err
		}
		if !durable.In(ctx) || !durable.Root(ctx) {
			continue
		}
		if i := durable.InfoOf(ctx); i.Commands >= loopCommands || i.JournalBytes >= loopBytes {
			return s, nextJournal(ctx, s)
		}
	}
}

type envelopeKey struct{}

// envelope is the input of a run that goes on with a loop.
type envelope struct {
	input, state durable.Value
	journals     int32 // before this one; makes each input another one, if the state is not
}

// envelopeMagic starts the BytesValue that holds an envelope.
const envelopeMagic = "sendoff.loop.v1\x00"

func nextJournal(ctx context.Context, s any) error {
	e, _ := ctx.Value(envelopeKey{}).(*envelope)
	state, err := encode(s)
	if err != nil {
		return err
	}
	box := &sendoffv1.RunContext{Journal: &sendoffv1.Journal{}, Epoch: e.journals + 1}
	for _, v := range []durable.Value{e.input, state} {
		b, err := proto.Marshal(orEmpty(v.Any()))
		if err != nil {
			return err
		}
		box.Journal.Segments = append(box.Journal.Segments, b)
	}
	b, err := proto.Marshal(box)
	if err != nil {
		return err
	}
	input, err := anypb.New(wrapperspb.Bytes(append([]byte(envelopeMagic), b...)))
	if err != nil {
		return err
	}
	return &tailCall{&sdkv1.Call{Function: durable.InfoOf(ctx).Function, Input: input}}
}

func orEmpty(a *anypb.Any) *anypb.Any {
	if a == nil {
		return &anypb.Any{}
	}
	return a
}

// openEnvelope unpacks the input of a run that goes on with a loop.
func openEnvelope(ctx context.Context, in durable.Value) (context.Context, durable.Value, error) {
	e := &envelope{input: in}
	var packed wrapperspb.BytesValue
	if a := in.Any(); a != nil && a.MessageIs(&packed) && bytes.Contains(in.Data[:min(len(in.Data), 40)], []byte(envelopeMagic)) {
		if err := e.open(in); err != nil {
			return ctx, in, err
		}
	}
	return context.WithValue(ctx, envelopeKey{}, e), e.input, nil
}

func (e *envelope) open(in durable.Value) error {
	var packed wrapperspb.BytesValue
	if err := proto.Unmarshal(in.Data, &packed); err != nil {
		return err
	}
	body, ok := bytes.CutPrefix(packed.GetValue(), []byte(envelopeMagic))
	if !ok {
		return nil
	}
	var box sendoffv1.RunContext
	if err := proto.Unmarshal(body, &box); err != nil {
		return fmt.Errorf("sendoff: Loop: the input of the new journal: %w", err)
	}
	for i, to := range []*durable.Value{&e.input, &e.state} {
		var a anypb.Any
		if i >= len(box.GetJournal().GetSegments()) {
			return fmt.Errorf("sendoff: Loop: the input of the new journal is not complete")
		}
		if err := proto.Unmarshal(box.GetJournal().GetSegments()[i], &a); err != nil {
			return err
		}
		*to = durable.FromAny(&a)
	}
	e.journals = box.GetEpoch()
	return nil
}
