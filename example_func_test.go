package sendoff_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sendoff-dev/sendoff"
)

// A function that calls another one, does something once, and waits for a while.
// Without a server it runs in the process.
func ExampleFunc() {
	price := sendoff.Func("price", func(_ context.Context, line string) (int, error) { return len(line), nil })
	order := sendoff.Func("order", func(ctx context.Context, lines []string) (string, error) {
		prices, err := price.Gather(ctx, lines)
		if err != nil {
			return "", err
		}
		id, err := sendoff.Step(ctx, "book", func(context.Context) (string, error) { return "booking-7", nil })
		if err != nil {
			return "", err
		}
		return fmt.Sprint(id, " ", prices), sendoff.Sleep(ctx, time.Millisecond)
	})
	fmt.Println(order.Await(context.Background(), []string{"tea", "coffee"}))
	// Output: booking-7 [3 6] <nil>
}

// Branches run side by side; what they share needs no lock.
func ExampleGo() {
	f := sendoff.Func("sides", func(ctx context.Context, _ struct{}) ([]string, error) {
		var log []string
		side := func(name string, d time.Duration) *sendoff.Future[int] {
			return sendoff.Go(ctx, func(ctx context.Context) (int, error) {
				err := sendoff.Sleep(ctx, d)
				log = append(log, name)
				return 0, err
			})
		}
		_, err := sendoff.All(ctx, side("slow", 20*time.Millisecond), side("fast", time.Millisecond))
		return log, err
	})
	fmt.Println(f.Await(context.Background(), struct{}{}))
	// Output: [fast slow] <nil>
}

// What was done is undone, the last first, when the function fails.
func ExampleSaga() {
	f := sendoff.Func("trip", func(ctx context.Context, _ struct{}) (out int, err error) {
		undo := sendoff.NewSaga(ctx)
		defer undo.RollbackOnError(&err)
		undo.Add("cancel flight", func(context.Context) error { fmt.Println("flight canceled"); return nil })
		undo.Add("cancel hotel", func(context.Context) error { fmt.Println("hotel canceled"); return nil })
		return 0, sendoff.Permanent(fmt.Errorf("no car"))
	})
	_, err := f.Await(context.Background(), struct{}{})
	fmt.Println(err)
	// Output:
	// hotel canceled
	// flight canceled
	// trip: no car
}

// Calls with results as they come, at most two of them open at a time.
func ExampleFunction_Each() {
	double := sendoff.Func("double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })
	f := sendoff.Func("sum", func(ctx context.Context, in []int) (sum int, err error) {
		for _, r := range double.Each(ctx, in, 2) {
			if r.Err != nil {
				return 0, r.Err
			}
			sum += r.Value
		}
		return sum, nil
	})
	fmt.Println(f.Await(context.Background(), []int{1, 2, 3}))
	// Output: 12 <nil>
}

// A step is tried again as its policy says. What it brought is on record: a replay
// does not run it again.
func ExampleStep() {
	attempts := 0
	f := sendoff.Func("fetch", func(ctx context.Context, url string) (string, error) {
		return sendoff.Step(ctx, "get", func(context.Context) (string, error) {
			if attempts++; attempts < 3 {
				return "", fmt.Errorf("%s is away", url)
			}
			return "a page", nil
		}, sendoff.Retry(sendoff.RetryPolicy{MaxAttempts: 5, MinBackoff: time.Millisecond}), sendoff.AttemptTimeout(time.Second))
	})
	page, err := f.Await(context.Background(), "https://example.com")
	fmt.Println(page, err, attempts)
	// Output: a page <nil> 3
}

// What comes first, a timer or the end of a branch.
func ExampleSelect() {
	f := sendoff.Func("hurry", func(ctx context.Context, _ struct{}) (string, error) {
		slow := sendoff.Go(ctx, func(ctx context.Context) (int, error) { return 1, sendoff.Sleep(ctx, time.Hour) })
		timer := sendoff.After(ctx, time.Millisecond)
		i, err := sendoff.Select(ctx, slow, timer)
		return []string{"done", "too late"}[i], err
	})
	fmt.Println(f.Await(context.Background(), struct{}{}))
	// Output: too late <nil>
}

// A loop keeps the journal of a function that never ends short.
func ExampleLoop() {
	f := sendoff.Func("count", func(ctx context.Context, n int) (int, error) {
		return sendoff.Loop(ctx, n, func(ctx context.Context, n *int) (done bool, err error) {
			*n--
			return *n == 0, sendoff.Sleep(ctx, time.Millisecond)
		})
	})
	fmt.Println(f.Await(context.Background(), 3))
	// Output: 0 <nil>
}

// An error of your own is found in what a call failed with, also in another program.
func ExampleRegisterError() {
	sendoff.RegisterError[*SoldOut]("example.SoldOut")
	ship := sendoff.Func("ship", func(context.Context, string) (int, error) { return 0, &SoldOut{"ink"} })
	order := sendoff.Func("order", func(ctx context.Context, what string) (string, error) {
		_, err := ship.Await(ctx, what)
		if gone, ok := errors.AsType[*SoldOut](err); ok {
			return "no " + gone.What + " today", nil
		}
		return "shipped", err
	})
	fmt.Println(order.Await(context.Background(), "ink"))
	// Output: no ink today <nil>
}

// SoldOut is an error that travels.
type SoldOut struct{ What string }

func (e *SoldOut) Error() string { return e.What + " is sold out" }
