package sendoff

import (
	"context"
	"errors"

	"github.com/sendoff-dev/sendoff/internal/durable"
)

// Future is a result that will come: of a call, a step, a branch, a timer or a
// signal. Only the durable function that made it, and its branches, may use it.
type Future[T any] struct {
	core     *durable.Future
	name     string
	read     func(*durable.Future) (T, error)
	err      error // when there is no core
	detached bool

	seen  bool
	value T
	fail  error
}

// Waitable is a [Future] of any type, for [Select].
type Waitable interface {
	waitable() (*durable.Future, error)
}

func (f *Future[T]) waitable() (*durable.Future, error) {
	if f.detached {
		return nil, errDetached
	}
	return f.core, f.err
}

var errDetached = errors.New("sendoff: nobody can wait for a detached call; use its id, or leave Detached away")

// Result is a value or an error.
type Result[T any] struct {
	Value T
	Err   error
}

func failedFutures[T any](n int, err error) []*Future[T] {
	out := make([]*Future[T], n)
	for i := range out {
		out[i] = &Future[T]{err: err}
	}
	return out
}

func readValue[T any](f *durable.Future) (T, error) { return decode[T](f.Value()) }

// Await waits for the result. The error is that of what the future stands for,
// or of the context when that ended before.
func (f *Future[T]) Await(ctx context.Context) (T, error) {
	core, err := f.waitable()
	if err == nil {
		err = durable.Wait(ctx, durable.ModeEvery, core)
	}
	if err != nil {
		var zero T
		return zero, err
	}
	return f.result()
}

// Done tells whether the result is there, without waiting.
func (f *Future[T]) Done() bool { return f.core == nil || f.core.Done() }

// Cancel gives the result up: a call that is open is canceled, a step's context
// ends, and the future's error is context.Canceled.
func (f *Future[T]) Cancel() {
	if f.core != nil {
		durable.Cancel(f.core)
	}
}

// result decodes what is there, once.
func (f *Future[T]) result() (T, error) {
	if f.core == nil {
		return f.value, f.err
	}
	if !f.seen {
		f.seen = true
		if f.fail = futureError(f.name, f.core); f.fail == nil {
			f.value, f.fail = f.read(f.core)
		}
	}
	return f.value, f.fail
}

// cores returns what the futures wait for; an error when one cannot be waited for.
func cores[T any](futures []*Future[T]) ([]*durable.Future, error) {
	out := make([]*durable.Future, len(futures))
	for i, f := range futures {
		core, err := f.waitable()
		if err != nil {
			return nil, err
		}
		out[i] = core
	}
	return out, nil
}

// All waits for all futures and returns their values in order. The first
// failure ends the wait and gives the others up.
func All[T any](ctx context.Context, futures ...*Future[T]) ([]T, error) {
	list, err := cores(futures)
	if err != nil {
		return nil, err
	}
	if err := durable.Wait(ctx, durable.ModeAll, list...); err != nil {
		durable.CancelAll(list)
		return nil, err
	}
	out := make([]T, len(futures))
	for i, f := range futures {
		if list[i].Failed() {
			_, err = f.result()
			durable.CancelAll(list)
			return nil, err
		}
	}
	for i, f := range futures {
		if out[i], err = f.result(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Settled waits until all futures have ended, and returns all results in order.
// When the context ends before, the others have its error.
func Settled[T any](ctx context.Context, futures ...*Future[T]) []Result[T] {
	out := make([]Result[T], len(futures))
	list := make([]*durable.Future, 0, len(futures))
	for _, f := range futures {
		if core, err := f.waitable(); err == nil {
			list = append(list, core)
		}
	}
	ended := durable.Wait(ctx, durable.ModeEvery, list...)
	for i, f := range futures {
		_, err := f.waitable()
		switch {
		case err != nil:
			out[i].Err = err
		case !f.Done():
			out[i].Err = ended
		default:
			out[i].Value, out[i].Err = f.result()
		}
	}
	return out
}

// Any waits for the first success and gives the others up. When all fail, their
// errors are joined.
func Any[T any](ctx context.Context, futures ...*Future[T]) (T, error) {
	var zero T
	list, err := cores(futures)
	if err != nil {
		return zero, err
	}
	if len(list) == 0 {
		return zero, errors.New("sendoff: Any of no futures")
	}
	err = durable.Wait(ctx, durable.ModeSuccess, list...)
	defer durable.CancelAll(list)
	if err != nil {
		return zero, err
	}
	var errs []error
	for i, f := range futures {
		if !list[i].Done() {
			continue
		}
		v, err := f.result()
		if err == nil {
			return v, nil
		}
		errs = append(errs, err)
	}
	return zero, errors.Join(errs...)
}

// Race waits for the first future to end, gives the others up, and returns the
// index and the result of the first. When the context ends before, the index
// is -1.
func Race[T any](ctx context.Context, futures ...*Future[T]) (int, T, error) {
	var zero T
	list, err := cores(futures)
	if err != nil {
		return -1, zero, err
	}
	if len(list) == 0 {
		return -1, zero, errors.New("sendoff: Race of no futures")
	}
	err = durable.Wait(ctx, durable.ModeFirst, list...)
	defer durable.CancelAll(list)
	if err != nil {
		return -1, zero, err
	}
	i := firstDone(list)
	v, err := futures[i].result()
	return i, v, err
}

func firstDone(list []*durable.Future) int {
	for i, core := range list {
		if core.Done() {
			return i
		}
	}
	return -1
}

// Select waits until one of the futures has ended and returns its index; Await
// on it then returns at once. The others stay as they are and can be waited for
// again. When the context ends before, the index is -1. Of several that have
// ended it takes the first in the list.
func Select(ctx context.Context, futures ...Waitable) (int, error) {
	list := make([]*durable.Future, len(futures))
	for i, f := range futures {
		core, err := f.waitable()
		if err != nil {
			return i, err
		}
		list[i] = core
	}
	if len(list) == 0 {
		return -1, errors.New("sendoff: Select of no futures")
	}
	if err := durable.Wait(ctx, durable.ModeFirst, list...); err != nil {
		return -1, err
	}
	return firstDone(list), nil
}

// Go runs fn side by side with its caller, as a branch of the durable function.
// Only one branch runs at a time, so branches may share variables without a
// lock. fn must use the context that it gets. A panic ends the whole run.
func Go[T any](ctx context.Context, fn func(context.Context) (T, error)) *Future[T] {
	core := durable.Go(ctx, func(ctx context.Context) (any, error) { return fn(ctx) })
	return &Future[T]{core: core, name: "branch", read: func(f *durable.Future) (T, error) {
		v, _ := f.Local().(T) // zero of an interface type whose value is nil
		return v, nil
	}}
}
