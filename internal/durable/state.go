package durable

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sendoff-dev/sendoff/internal/journal"
)

// stateMagic starts the state that travels in a poll; the last byte is its version.
const stateMagic = "SOJ\x01"

// maxJournal bounds a journal that is unpacked, in bytes.
const maxJournal = 256 << 20

var deflaters = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.BestSpeed) // fails only for a wrong level
	return w
}}

// packState makes the state of a poll of a whole journal. It is a BytesValue,
// a type that every server can resolve.
func packState(journal []byte) (*anypb.Any, error) {
	var b bytes.Buffer
	b.WriteString(stateMagic)
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(&b)
	if _, err := w.Write(journal); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return anypb.New(wrapperspb.Bytes(b.Bytes()))
}

func unpackState(state *anypb.Any) ([]byte, error) {
	var packed wrapperspb.BytesValue
	if err := state.UnmarshalTo(&packed); err != nil {
		return nil, fmt.Errorf("%w: the state is a %s, not one of this SDK", journal.ErrDamaged, state.GetTypeUrl())
	}
	body, ok := bytes.CutPrefix(packed.Value, []byte(stateMagic))
	if !ok {
		return nil, fmt.Errorf("%w: the state is not one of this SDK, or of a newer one", journal.ErrDamaged)
	}
	r := flate.NewReader(bytes.NewReader(body))
	text, err := io.ReadAll(io.LimitReader(r, maxJournal+1))
	if err != nil {
		return nil, errors.Join(journal.ErrDamaged, err)
	}
	if len(text) > maxJournal {
		return nil, fmt.Errorf("%w: it unpacks to more than %d bytes", journal.ErrDamaged, maxJournal)
	}
	return text, nil
}
