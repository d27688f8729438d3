// Package encoding breaks the rule about types that go on record.
package encoding

import (
	"context"
	"io"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/sendoff-dev/sendoff"
)

type opaque struct{ id string }

type nested struct {
	Name  string
	Inner struct{ Notify chan int }
}

type closer struct{ Out io.Writer }

type failure struct{ Err error }

type tree struct {
	sync.Mutex
	Name     string
	Children []*tree
	When     time.Time
	Any      map[int]any
	skipped  func()
	Also     func() `json:"-"`
	Took     time.Duration
	embedded
}

type embedded struct{ Size int }

type marshals struct{ secret string }

func (m marshals) MarshalJSON() ([]byte, error)  { return []byte(`"` + m.secret + `"`), nil }
func (m *marshals) UnmarshalJSON(b []byte) error { m.secret = string(b); return nil }

var (
	_ = sendoff.Func("channel", func(context.Context, chan int) (int, error) { return 0, nil })     // want `SENDOFF2006: the input of sendoff.Func cannot be encoded: it is a channel`
	_ = sendoff.Func("opaque", func(context.Context, int) (opaque, error) { return opaque{}, nil }) // want `SENDOFF2006: the output of sendoff.Func cannot be encoded: it, a encoding.opaque, has unexported fields only`
	_ = sendoff.Func("nested", func(context.Context, nested) (int, error) { return 0, nil })        // want `SENDOFF2006: .*Inner.Notify is a channel`
	_ = sendoff.Remote[closer, int]("closer", "")                                                   // want `SENDOFF2006: .*Out is the interface io.Writer`
	_ = sendoff.Remote[int, failure]("failure", "")                                                 // want `SENDOFF2006: .*Err is an error`
	_ = sendoff.NewSignal[func()]("signal")                                                         // want `SENDOFF2006: the value of sendoff.NewSignal cannot be encoded: it is a function`
	_ = sendoff.Remote[map[float64]int, int]("floats", "")                                          // want `SENDOFF2006: .*map by float64`

	_ = sendoff.Func("tree", func(_ context.Context, t *tree) ([]tree, error) { return nil, nil })
	_ = sendoff.Func("any", func(context.Context, any) (struct{}, error) { return struct{}{}, nil })
	_ = sendoff.Func("proto", func(context.Context, *structpb.Value) (time.Time, error) { return time.Time{}, nil })
	_ = sendoff.Func("marshals", func(context.Context, marshals) (map[string]*marshals, error) { return nil, nil })
)

var steps = sendoff.Func("steps", func(ctx context.Context, n int) (int, error) {
	// A branch gives its result in memory.
	out, err := sendoff.Go(ctx, func(context.Context) (io.Reader, error) { return nil, nil }).Await(ctx)
	if err != nil || out != nil {
		return 0, err
	}
	_, err = sendoff.Step(ctx, "open", func(context.Context) (io.Reader, error) { return nil, nil }) // want `SENDOFF2006: the result of sendoff.Step cannot be encoded`
	return n, err
})

// generic is checked where its type is known.
func generic[T any](ctx context.Context, v T) (T, error) {
	return sendoff.Step(ctx, "generic", func(context.Context) (T, error) { return v, nil })
}
