package docs_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/sendofftest"
	"github.com/sendoff-dev/sendoff/status"
)

// The code of the pages about durable functions, compiled and run. Those of the
// tutorial's program are in examples/orders.

type Order struct {
	ID    string `json:"id"`
	Items []Item `json:"items"`
}

type Item struct {
	SKU   string `json:"sku"`
	Count int    `json:"count"`
}

type Receipt struct{ Payment, Parcel string }

func charge(_ context.Context, o Order) (string, error)     { return "payment-" + o.ID, nil }
func bookParcel(_ context.Context, o Order) (string, error) { return "parcel-" + o.ID, nil }

func fulfil(ctx context.Context, o Order) (Receipt, error) {
	payment, err := charge(ctx, o)
	if err != nil {
		return Receipt{}, err
	}
	parcel, err := bookParcel(ctx, o)
	if err != nil {
		return Receipt{}, err // paid, and nothing is sent
	}
	return Receipt{payment, parcel}, nil
}

var order = sendoff.Func("order", func(ctx context.Context, o Order) (Receipt, error) {
	payment, err := sendoff.Step(ctx, "charge", func(ctx context.Context) (string, error) {
		return charge(ctx, o)
	})
	if err != nil {
		return Receipt{}, err
	}
	parcel, err := ship.Await(ctx, o)
	if err != nil {
		return Receipt{}, err
	}
	return Receipt{payment, parcel}, nil
})

var ship = sendoff.Func("ship", func(ctx context.Context, o Order) (string, error) {
	return bookParcel(ctx, o)
})

func serveFunctions(ctx context.Context) {
	endpoint, err := sendoff.NewEndpoint(sendoff.EndpointConfig{}, order, ship)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(endpoint.ListenAndServe(ctx))
}

var price = sendoff.Func("price", func(_ context.Context, i Item) (int, error) { return 100 * i.Count, nil })

var convert = sendoff.Remote[string, []byte]("convert", "http://127.0.0.1:8001")

var letter = sendoff.Func("letter", func(ctx context.Context, text string) (int, error) {
	page, err := convert.Await(ctx, text, sendoff.OnQueue("slow"), sendoff.Priority(2), sendoff.AttemptTimeout(time.Minute))
	return len(page), err
})

var quote = sendoff.Func("quote", func(ctx context.Context, items []Item) (total int, err error) {
	for i, r := range price.Each(ctx, items, 10) {
		if r.Err != nil {
			sendoff.Logger(ctx).Warn("no price", "item", i, "error", r.Err)
			continue
		}
		total += r.Value
	}
	return total, ctx.Err()
})

var both = sendoff.Func("both", func(ctx context.Context, o Order) ([]string, error) {
	done := map[string]bool{}
	paid := sendoff.Go(ctx, func(ctx context.Context) (string, error) {
		id, err := sendoff.Step(ctx, "charge", func(ctx context.Context) (string, error) { return charge(ctx, o) })
		done["charge"] = true // no lock: one branch runs at a time
		return id, err
	})
	sent := sendoff.Go(ctx, func(ctx context.Context) (string, error) {
		if err := sendoff.Sleep(ctx, time.Hour); err != nil {
			return "", err
		}
		done["ship"] = true
		return ship.Await(ctx, o)
	})
	return sendoff.All(ctx, paid, sent)
})

var patient = sendoff.Func("patient", func(ctx context.Context, i Item) (int, error) {
	quick, cancel := sendoff.WithTimeout(ctx, time.Minute)
	defer cancel()
	cents, err := price.Await(quick, i)
	if errors.Is(err, context.DeadlineExceeded) {
		return 0, nil // no answer within a minute: the call is canceled
	}
	if err != nil {
		return 0, err
	}
	return cents, sendoff.Sleep(ctx, 30*24*time.Hour)
}, sendoff.Expiration(60*24*time.Hour))

var confirm = sendoff.Func("confirm", func(ctx context.Context, email string) (bool, error) {
	answer := sendoff.NewPromise[bool](ctx)
	_, err := sendoff.Step(ctx, "ask", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, sendMail(ctx, email, "https://shop.example/yes?id="+url.QueryEscape(answer.ID()))
	})
	if err != nil {
		return false, err
	}
	return answer.Await(ctx)
}, sendoff.Expiration(14*24*time.Hour))

var mails = make(chan string, 1)

func sendMail(_ context.Context, _, text string) error {
	mails <- text
	return nil
}

func yes(w http.ResponseWriter, r *http.Request) {
	if err := sendoff.ResolvePromise(r.Context(), r.FormValue("id"), true); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
}

type SoldOut struct{ SKU string }

func (e *SoldOut) Error() string { return e.SKU + " is sold out" }

func init() { sendoff.RegisterError[*SoldOut]("shop.SoldOut") }

var stock = sendoff.Func("stock", func(_ context.Context, sku string) (int, error) { return 0, &SoldOut{sku} })

var lookup = sendoff.Func("lookup", func(ctx context.Context, sku string) (string, error) {
	n, err := stock.Await(ctx, sku)
	if soldOut, ok := errors.AsType[*SoldOut](err); ok {
		return soldOut.SKU + ": later", nil
	}
	if call, ok := errors.AsType[*sendoff.CallError](err); ok {
		return "", fmt.Errorf("%s ended with %s: %s", call.Function, call.Status, call.Message)
	}
	return fmt.Sprint(n), err
})

type busy struct{}

func (busy) Error() string       { return "the depot is busy" }
func (busy) Status() status.Code { return status.TemporaryError }

var probe = sendoff.Func("probe", func(_ context.Context, site string) (bool, error) { return site == "up", nil })

var watch = sendoff.Func("watch", func(ctx context.Context, site string) (int, error) {
	return sendoff.Loop(ctx, 0, func(ctx context.Context, failures *int) (done bool, err error) {
		if err := sendoff.Sleep(ctx, time.Minute); err != nil {
			return false, err
		}
		up, err := probe.Await(ctx, site)
		if err != nil {
			return false, err
		}
		if !up {
			*failures++
		}
		return *failures == 3, nil
	})
}, sendoff.Expiration(366*24*time.Hour))

type Pages struct{ Next, Sum int }

func fetchPage(_ context.Context, page int) (sum int, more bool, err error) {
	return page, page < 5, nil
}

var nextPages = sendoff.Remote[Pages, int]("pages", "") // itself: Go allows no direct reference

var addPages = sendoff.Func("pages", func(ctx context.Context, p Pages) (int, error) {
	sum, more, err := fetchPage(ctx, p.Next)
	if err != nil || !more {
		return p.Sum + sum, err
	}
	return 0, nextPages.TailCall(Pages{p.Next + 1, p.Sum + sum})
})

func startOutside(ctx context.Context, o Order) (Receipt, error) {
	call, err := order.Dispatch(ctx, o, sendoff.CallID("order-"+o.ID)) // on the server's disk; once for this id
	if err != nil {
		return Receipt{}, err
	}
	return call.Wait(ctx)
}

func mountEndpoint(index http.Handler) {
	endpoint, err := sendoff.NewEndpoint(sendoff.EndpointConfig{URL: "https://shop.example/sendoff"}, order, ship)
	if err != nil {
		log.Fatal(err)
	}
	defer endpoint.Close()
	mux := http.NewServeMux()
	mux.Handle("/", index)
	mux.Handle("/sendoff/", endpoint)
	log.Fatal(http.ListenAndServe("127.0.0.1:8000", mux))
}

func embedFunctions(e *engine.Engine) (*sendoff.Endpoint, error) {
	endpoint, err := sendoff.NewEndpoint(sendoff.EndpointConfig{URL: "embedded://shop", Engine: e}, order, ship)
	return endpoint, err
}

var parcel = sendoff.Func("parcel", func(ctx context.Context, o Order) (string, error) {
	if sendoff.Version(ctx, "check stock", 1) >= 1 {
		for _, i := range o.Items {
			if _, err := stock.Await(ctx, i.SKU); err != nil {
				return "", err
			}
		}
	}
	return ship.Await(ctx, o)
})

// The functions of the pages are run.

var invoice = sendoff.Func("invoice", func(_ context.Context, customer int) (int, error) { return customer, nil })

// bill keeps to a limit that other tasks share.
func bill(ctx context.Context, customers []int) ([]int, error) {
	return invoice.Gather(ctx, customers, sendoff.LimitedBy(sendoff.Limit{Key: "api.acme.com", Concurrency: 5}))
}

var _ = bill

func TestTheFunctionsOfThePagesRun(t *testing.T) {
	o := Order{ID: "7", Items: []Item{{"pen", 2}, {"ink", 1}}}
	r, err := fulfil(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, Receipt{"payment-7", "parcel-7"}, r)
	got, err := order.Await(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, r, got)

	env := sendofftest.New(t, order, ship, price, letter, quote, both, patient, confirm, stock, lookup, probe, watch, addPages, parcel)
	sendofftest.Stub(env, convert, func(text string) ([]byte, error) { return []byte(text), nil })
	size, err := sendofftest.Run(env, letter, "dear")
	require.NoError(t, err)
	require.Equal(t, 4, size)
	total, err := sendofftest.Run(env, quote, o.Items)
	require.NoError(t, err)
	require.Equal(t, 300, total)
	two, err := sendofftest.Run(env, both, o)
	require.NoError(t, err)
	require.Equal(t, []string{"payment-7", "parcel-7"}, two)
	cents, err := sendofftest.Run(env, patient, o.Items[0])
	require.NoError(t, err)
	require.Equal(t, 200, cents)
	text, err := sendofftest.Run(env, lookup, "unicorn")
	require.NoError(t, err)
	require.Equal(t, "unicorn: later", text)
	failures, err := sendofftest.Run(env, watch, "down")
	require.NoError(t, err)
	require.Equal(t, 3, failures)
	sum, err := sendofftest.Run(env, addPages, Pages{})
	require.NoError(t, err)
	require.Equal(t, 15, sum)
	_, err = sendofftest.Run(env, parcel, o)
	require.ErrorContains(t, err, "sold out")

	call := sendofftest.Start(env, confirm, "ada@example.com")
	env.At(time.Hour, func() {
		u, _ := url.Parse(<-mails)
		_ = sendoff.ResolvePromise(context.Background(), u.Query().Get("id"), true, sendoff.Via(env.Client()))
	})
	ok, err := call.Wait()
	require.NoError(t, err)
	require.True(t, ok)

	require.True(t, busy{}.Status().Temporary())
}

func TestFunctionsRunInTheEngineOfTheSameProcess(t *testing.T) {
	e := startedEngine(t)
	endpoint, err := embedFunctions(e)
	require.NoError(t, err)
	defer endpoint.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got, err := startOutside(ctx, Order{ID: "9"})
	require.NoError(t, err)
	require.Equal(t, Receipt{"payment-9", "parcel-9"}, got)
}

var _ = []any{serveFunctions, mountEndpoint, yes}
