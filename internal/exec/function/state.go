package function

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/anypb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
)

// state is what a function was suspended with. It is stored in an envelope of
// our own, with the bytes of the function's state exactly as they came, for they
// go back in the variant in which they came.
type state struct {
	variant variant
	typeURL string // of typedState
	bytes   []byte
	most    int32 // results at a time; 0 = any number
	seen    int64 // sequence of the last message that it was told
	ours    bool  // suspended by Sendoff's SDK
}

type variant uint8

// The values are stored; never renumber them.
const (
	noState    variant = 0
	bytesState variant = 1
	typedState variant = 2
)

const stateVersion = 1

// The fields of the envelope behind its version byte.
const (
	fieldVariant = 1
	fieldTypeURL = 2
	fieldBytes   = 3
	fieldMost    = 4
	fieldSeen    = 5
	fieldOurs    = 6
)

var errBadState = errors.New("the stored state cannot be read: it is damaged, or was written by a newer version of Sendoff")

func stateOf(p *sdkv1.Poll, seen int64, ours bool) state {
	s := state{most: max(p.GetMaxResults(), 0), seen: seen, ours: ours}
	switch v := p.GetState().(type) {
	case *sdkv1.Poll_CoroutineState:
		s.variant, s.bytes = bytesState, v.CoroutineState
	case *sdkv1.Poll_TypedCoroutineState:
		s.variant, s.typeURL, s.bytes = typedState, v.TypedCoroutineState.GetTypeUrl(), v.TypedCoroutineState.GetValue()
	}
	return s
}

// size of the function's own state, in bytes.
func (s *state) size() int { return len(s.typeURL) + len(s.bytes) }

// encode is never empty: an envelope without a state says that there is none.
func (s *state) encode() []byte {
	b := append(make([]byte, 0, s.size()+24), stateVersion)
	number := func(field protowire.Number, v uint64) {
		if v != 0 {
			b = protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
		}
	}
	number(fieldVariant, uint64(s.variant))
	if s.typeURL != "" {
		b = protowire.AppendString(protowire.AppendTag(b, fieldTypeURL, protowire.BytesType), s.typeURL)
	}
	if len(s.bytes) > 0 {
		b = protowire.AppendBytes(protowire.AppendTag(b, fieldBytes, protowire.BytesType), s.bytes)
	}
	number(fieldMost, uint64(s.most))
	number(fieldSeen, uint64(s.seen))
	number(fieldOurs, protowire.EncodeBool(s.ours))
	return b
}

// decodeState reads an envelope; none at all is the zero state.
func decodeState(b []byte) (s state, err error) {
	if b == nil {
		return s, nil
	}
	if len(b) == 0 || b[0] != stateVersion {
		return s, errBadState
	}
	for b = b[1:]; len(b) > 0; {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return s, errBadState
		}
		b = b[n:]
		if n = s.read(field, kind, b); n < 0 {
			return s, errBadState
		}
		b = b[n:]
	}
	return s, nil
}

func (s *state) read(field protowire.Number, kind protowire.Type, b []byte) (n int) {
	var text []byte
	var number uint64
	switch kind {
	case protowire.BytesType:
		text, n = protowire.ConsumeBytes(b)
	case protowire.VarintType:
		number, n = protowire.ConsumeVarint(b)
	default:
		return protowire.ConsumeFieldValue(field, kind, b)
	}
	switch field {
	case fieldVariant:
		s.variant = variant(number)
	case fieldTypeURL:
		s.typeURL = string(text)
	case fieldBytes:
		s.bytes = text
	case fieldMost:
		s.most = int32(number)
	case fieldSeen:
		s.seen = int64(number)
	case fieldOurs:
		s.ours = number != 0
	}
	return n
}

// fill puts the state back where it came from.
func (s *state) fill(p *sdkv1.PollResult) {
	switch s.variant {
	case bytesState:
		b := s.bytes
		if b == nil {
			b = []byte{}
		}
		p.State = &sdkv1.PollResult_CoroutineState{CoroutineState: b}
	case typedState:
		p.State = &sdkv1.PollResult_TypedCoroutineState{TypedCoroutineState: &anypb.Any{TypeUrl: s.typeURL, Value: s.bytes}}
	}
}
