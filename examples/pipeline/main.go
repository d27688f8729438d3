// Pipeline is a program with durable functions: each awaited call is a step that
// survives a crash of the program and of the server.
//
//	sendoff run -- go run ./examples/pipeline
//
// Kill it in the middle and start it again with the same id (-id): it goes on
// where it was.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os/signal"
	"syscall"
	"time"

	"github.com/sendoff-dev/sendoff"
)

// fetch fails now and then, and is tried again, within a second each time.
var fetch = sendoff.Func("fetch", func(_ context.Context, page int) ([]int, error) {
	if rand.IntN(3) == 0 {
		return nil, fmt.Errorf("page %d did not answer: %w", page, errTemporary{})
	}
	numbers := make([]int, 5)
	for i := range numbers {
		numbers[i] = page*10 + i
	}
	return numbers, nil
}, sendoff.Retry(sendoff.RetryPolicy{MaxBackoff: time.Second}))

type errTemporary struct{}

func (errTemporary) Error() string   { return "try again" }
func (errTemporary) Temporary() bool { return true }

var double = sendoff.Func("double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })

var sumOfPage = sendoff.Func("sum_of_page", func(ctx context.Context, page int) (int, error) {
	numbers, err := fetch.Await(ctx, page)
	if err != nil {
		return 0, err
	}
	doubled, err := double.Gather(ctx, numbers)
	return sum(doubled), err
})

var pipeline = sendoff.Func("pipeline", func(ctx context.Context, pages int) (int, error) {
	all := make([]int, pages)
	for i := range all {
		all[i] = i
	}
	sums, err := sumOfPage.Gather(ctx, all)
	return sum(sums), err
})

func sum(numbers []int) (total int) {
	for _, n := range numbers {
		total += n
	}
	return total
}

func main() {
	pages := flag.Int("pages", 3, "pages to fetch")
	id := flag.String("id", "", "id of the run: one that is there already is waited for")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *pages, *id); err != nil && !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}

func run(ctx context.Context, pages int, id string) error {
	endpoint, err := sendoff.NewEndpoint(sendoff.EndpointConfig{}, pipeline, sumOfPage, fetch, double)
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- endpoint.ListenAndServe(serving) }()

	var options []sendoff.DispatchOption
	if id != "" {
		options = append(options, sendoff.CallID(id))
	}
	call, err := pipeline.Dispatch(ctx, pages, options...)
	if err != nil {
		stop()
		return errors.Join(err, <-served)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	total, err := call.Wait(ctx)
	stop()
	if err := errors.Join(err, <-served); err != nil {
		return err
	}
	fmt.Println("the pipeline returned", total)
	return nil
}
