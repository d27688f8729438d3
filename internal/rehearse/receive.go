package rehearse

import (
	"context"
	"slices"

	"google.golang.org/protobuf/types/known/anypb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/durable"
)

// message is what Receive gives: a result or a signal.
type message struct {
	result *sdkv1.CallResult
	signal *sendoffv1.Signal
}

// Receive tells a run that is under way what came after its request, as soon as there
// is something. The sequence counts what it has given to the attempt. Other calls may
// go on meanwhile; in virtual time the clock stands still, as it does while a step runs.
func (s *Scheduler) Receive(ctx context.Context, id string, token, after int64) (*sendoffv1.ReceiveResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listening++
	defer func() { s.listening-- }()
	s.poke()
	for {
		t := s.tasks[id]
		if t == nil || t.token != token || !t.running || t.done {
			return nil, durable.ErrStale
		}
		t.give()
		if int64(len(t.given)) > after {
			return given(t.given, after)
		}
		if t.bell == nil {
			t.bell = make(chan struct{})
		}
		bell := t.bell
		s.mu.Unlock()
		select {
		case <-bell:
		case <-ctx.Done():
		}
		s.mu.Lock()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

// ring wakes a run that asks for messages.
func (t *run) ring() {
	if t.bell != nil {
		close(t.bell)
		t.bell = nil
	}
}

// give numbers what the attempt was not given yet, by its request or by Receive.
func (t *run) give() {
	for _, r := range t.inbox {
		told := slices.Contains(t.request.GetPollResult().GetResults(), r)
		if !told && !slices.ContainsFunc(t.given, func(m message) bool { return m.result == r }) {
			t.given = append(t.given, message{result: r})
		}
	}
	for _, signal := range t.signals {
		told := slices.Contains(t.request.GetContext().GetSignals(), signal)
		if !told && !slices.ContainsFunc(t.given, func(m message) bool { return m.signal == signal }) {
			t.given = append(t.given, message{signal: signal})
		}
	}
}

func given(all []message, after int64) (*sendoffv1.ReceiveResponse, error) {
	poll, res := &sdkv1.PollResult{}, &sendoffv1.ReceiveResponse{Sequence: int64(len(all))}
	for _, m := range all[after:] {
		if m.result != nil {
			poll.Results = append(poll.Results, m.result)
		} else {
			res.Signals = append(res.Signals, m.signal)
		}
	}
	var err error
	res.PollResult, err = anypb.New(poll)
	return res, err
}

// told returns what an attempt was told that says so: the messages of its request, and
// those of Receive that it had got.
func (t *run) told(report *sendoffv1.RunReport) (results []*sdkv1.CallResult, signals []*sendoffv1.Signal) {
	results = slices.Clone(t.request.GetPollResult().GetResults())
	signals = slices.Clone(t.request.GetContext().GetSignals())
	for _, m := range t.given[:min(report.GetReceived().GetSequence(), int64(len(t.given)))] {
		if m.result != nil {
			results = append(results, m.result)
		} else {
			signals = append(signals, m.signal)
		}
	}
	return results, signals
}
