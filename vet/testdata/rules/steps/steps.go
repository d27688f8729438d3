// Package steps breaks the rules about the bodies of steps.
package steps

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/sendoff-dev/sendoff"
)

var db *sql.DB

var charge = sendoff.Func("charge", func(_ context.Context, n int) (int, error) { return n, nil })

type order struct {
	ID    string
	Total int
}

var contexts = sendoff.Func("contexts", func(ctx context.Context, n int) (int, error) {
	_, err := sendoff.Step(ctx, "outer", func(stepCtx context.Context) (int, error) {
		_, err := db.ExecContext(ctx, "x") // want `SENDOFF2004: the context ctx of the function is used within a Step`
		return 0, err
	})
	if err != nil {
		return 0, err
	}
	return sendoff.Step(ctx, "nested", func(ctx context.Context) (int, error) {
		if _, err := charge.Dispatch(ctx, n); err != nil {
			return 0, err
		}
		return charge.Await(ctx, n) // want `SENDOFF2004: sendoff.Function.Await within a Step`
	})
})

var saga = sendoff.Func("saga", func(ctx context.Context, n int) (_ int, err error) {
	undo := sendoff.NewSaga(ctx)
	defer undo.RollbackOnError(&err)
	undo.Add("refund", func(context.Context) error {
		_, err := db.ExecContext(ctx, "x") // want `SENDOFF2004: the context ctx`
		return err
	})
	return charge.Await(ctx, n)
})

var variables = sendoff.Func("variables", func(ctx context.Context, o *order) (total int, err error) {
	var id, name string
	var seen map[string]bool
	results := make([]int, 3)
	_, err = sendoff.Step(ctx, "lost", func(ctx context.Context) (struct{}, error) {
		id = "a"         // want `SENDOFF2005: id is assigned within a Step.*return the value`
		results[1]++     // want `SENDOFF2005: results is changed`
		seen["a"] = true // want `SENDOFF2005: seen is assigned`
		o.Total += 3     // want `SENDOFF2005: o is assigned`
		total = 5        // want `SENDOFF2005: total is assigned`
		row := db.QueryRowContext(ctx, "x")
		return struct{}{}, row.Scan(&name) // want `SENDOFF2005: name is filled`
	})
	return total + len(id) + len(name) + len(seen) + results[1] + o.Total, err
})

type service struct{ calls int }

// fine changes only what is its own, or the program's.
func (s *service) fine(ctx context.Context, o order) (order, error) {
	tries := 0
	got, err := sendoff.Step(ctx, "fine", func(ctx context.Context) (order, error) {
		tries++
		s.calls++
		var o2 order
		err := json.Unmarshal([]byte("{}"), &o2)
		o2.ID = o.ID
		for i := range 3 {
			o2.Total = i + tries
		}
		_, err2 := db.ExecContext(ctx, "x")
		if err2 != nil {
			err = err2
		}
		return o2, err
	})
	o.Total = got.Total
	return o, err
}

var serviced = sendoff.Func("serviced", new(service).fine)

// once wraps Step: what it gets runs in one.
func once[T any](ctx context.Context, name string, fn func(context.Context) (T, error)) (T, error) {
	return sendoff.Step(ctx, name, fn, sendoff.NoRetry())
}

// do wraps it once more.
func do(ctx context.Context, name string, fn func(context.Context) error) error {
	_, err := once(ctx, name, func(ctx context.Context) (struct{}, error) { return struct{}{}, fn(ctx) })
	return err
}

var wrapped = sendoff.Func("wrapped", func(ctx context.Context, n int) (id int, err error) {
	if err := do(ctx, "insert", func(ctx context.Context) error {
		_, err := db.ExecContext(ctx, "x")
		id = n // want `SENDOFF2005: id is assigned`
		return err
	}); err != nil {
		return 0, err
	}
	body := func(ctx context.Context) (int, error) {
		_, err := db.ExecContext(ctx, "x")
		return n, err
	}
	n, err = once(ctx, "body", body)
	if err != nil {
		return 0, err
	}
	return once(ctx, "named", ping)
})

func ping(ctx context.Context) (int, error) { return 0, db.PingContext(ctx) }
