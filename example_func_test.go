package sendoff_test

import (
	"context"
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
