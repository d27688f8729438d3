package function

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/protocol"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// What state, journal and results may have in a request, in bytes: a part is kept
// free for everything else. Endpoints that refuse more are taken for such that read
// 1 MiB, which is a common limit: that of dispatch.run and of many proxies.
const (
	maxRequest   = task.MaxState - 256<<10
	smallRequest = 1<<20 - 64<<10
)

// maxDelivery bounds the results of one run, in bytes.
const maxDelivery = 15_000_000

// delivery is what a run is told.
type delivery struct {
	results, signals int
	seen             int64 // sequence of the last message; 0 = none
	result           *sdkv1.PollResult
	bytes            int // that it may have
	signal           []*sendoffv1.Signal
}

// deliver takes messages in their order, until there are as many results as the
// poll wanted, or as many bytes as fit beside the state and a journal of so many
// bytes into bytes in all. The first message fits always: a result that does not is
// replaced by an error.
func deliver(messages []store.Message, s *state, journal int64, bytes int) delivery {
	d := delivery{result: &sdkv1.PollResult{}, bytes: bytes}
	s.fill(d.result)
	most := task.MaxResults
	if s.most > 0 {
		most = min(most, int(s.most))
	}
	room := max(bytes-s.size()-int(min(journal, task.MaxState)), 0)
	for i := range messages {
		m := &messages[i]
		if m.Kind == store.Result && d.results == most {
			break
		}
		size := len(m.Body)
		if size > room && d.seen != 0 {
			break
		}
		d.add(m, size > room)
		room -= min(size, room)
	}
	return d
}

func (d *delivery) add(m *store.Message, tooLarge bool) {
	d.seen = m.Seq
	switch m.Kind {
	case store.Result:
		d.results++
		d.result.Results = append(d.result.Results, d.resultOf(m, tooLarge))
	case store.Signal:
		d.signals++
		d.signal = append(d.signal, signalOf(m))
	case store.PollError:
		if had := d.result.Error; had != nil {
			had.Message += "; " + m.Error
			return
		}
		d.result.Error = &sdkv1.Error{Type: protocol.TypePoll, Message: m.Error}
	}
}

func (d *delivery) resultOf(m *store.Message, tooLarge bool) *sdkv1.CallResult {
	end := protocol.End{ID: m.From, State: m.State, Reason: m.Reason, Error: m.Error, Body: m.Body}
	if tooLarge {
		end.Body = protocol.Encode(&sdkv1.CallResult{Error: &sdkv1.Error{Type: protocol.TypeTooLarge, Message: fmt.Sprintf(
			"the result of the call has %d bytes, which do not fit into a request of %d beside the state", len(m.Body), d.bytes)}})
	}
	r := protocol.Result(&end)
	r.CorrelationId = m.Correlation
	return r
}

// Received is what a run is told that is under way already, of messages that came
// since.
func Received(r store.Resumption) (*sendoffv1.ReceiveResponse, error) {
	d := deliver(r.Messages, &state{}, r.Journal, maxRequest)
	if d.seen == 0 {
		return &sendoffv1.ReceiveResponse{}, nil
	}
	result, err := anypb.New(d.result)
	return &sendoffv1.ReceiveResponse{Sequence: d.seen, PollResult: result, Signals: d.signal}, err
}

// received adds what the run was told beside its request: it is used up with that.
func (d *delivery) received(r *sendoffv1.Received) {
	if r.GetSequence() <= d.seen {
		return
	}
	d.seen = r.GetSequence()
	d.results += int(max(r.GetResults(), 0))
	d.signals += int(max(r.GetSignals(), 0))
}

// signalsOf is the way back of signalOf.
func signalsOf(list []*sendoffv1.Signal) []task.Signal {
	signals := make([]task.Signal, len(list))
	for i, s := range list {
		signals[i] = task.Signal{Name: s.GetName(), Value: protocol.Payload(s.GetValue())}
	}
	return signals
}

func signalOf(m *store.Message) *sendoffv1.Signal {
	s := &sendoffv1.Signal{Sequence: m.Seq, Name: strings.ToValidUTF8(m.Name, "\uFFFD")}
	if len(m.Body) > 0 {
		value := &anypb.Any{}
		if proto.Unmarshal(m.Body, value) == nil {
			s.Value = value
		}
	}
	return s
}
