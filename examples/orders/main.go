// Orders is the program of docs/functions.md: an order as a durable function,
// served beside the other routes of a web server.
//
//	sendoff serve &
//	SENDOFF_URL=http://127.0.0.1:4450 go run ./examples/orders
//	curl -d '{"id":"o-1","email":"ada@example.com","items":[{"sku":"pen","count":2}]}' http://127.0.0.1:8000/orders
//	curl http://127.0.0.1:8000/orders/o-1
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/sendoff-dev/sendoff"
)

// Order is what a customer wants.
type Order struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	Items []Item `json:"items"`
}

// Item is a line of an order.
type Item struct {
	SKU   string `json:"sku"`
	Count int    `json:"count"`
}

// Receipt is what becomes of an order.
type Receipt struct {
	Cents   int    `json:"cents"`
	Payment string `json:"payment"`
	Parcel  string `json:"parcel"`
}

// Verdict is what a person says of a large order.
type Verdict struct {
	OK bool   `json:"ok"`
	By string `json:"by"`
}

// SoldOut says that an item cannot be had.
type SoldOut struct{ SKU string }

func (e *SoldOut) Error() string { return e.SKU + " is sold out" }

func init() { sendoff.RegisterError[*SoldOut]("shop.SoldOut") }

var price = sendoff.Func("price", func(_ context.Context, i Item) (int, error) {
	if i.SKU == "unicorn" {
		return 0, &SoldOut{i.SKU}
	}
	return 250 * len(i.SKU) * i.Count, nil
})

var ship = sendoff.Func("ship", func(ctx context.Context, o Order) (string, error) {
	return bookParcel(ctx, o)
}, sendoff.AttemptTimeout(30*time.Second), sendoff.Expiration(time.Hour))

var verdicts = sendoff.NewSignal[Verdict]("verdict")

// largeFrom is when somebody has to look at an order, in cents.
const largeFrom = 10_000

var order = sendoff.Func("order", func(ctx context.Context, o Order) (r Receipt, err error) {
	undo := sendoff.NewSaga(ctx)
	defer undo.RollbackOnError(&err)

	prices, err := price.Gather(ctx, o.Items)
	if err != nil {
		return r, err
	}
	for _, cents := range prices {
		r.Cents += cents
	}
	if r.Cents >= largeFrom {
		if err := approved(ctx); err != nil {
			return r, err
		}
	}

	undo.Add("refund", func(ctx context.Context) error { return refund(ctx, o.ID) })
	r.Payment, err = sendoff.Step(ctx, "charge", func(ctx context.Context) (string, error) {
		return charge(ctx, o.ID, r.Cents, sendoff.StepKey(ctx))
	})
	if err != nil {
		return r, err
	}

	r.Parcel, err = ship.Await(ctx, o)
	return r, err
}, sendoff.Expiration(14*24*time.Hour)) // longer than a person may take

// approved waits for the verdict of a person, for a week.
func approved(ctx context.Context) error {
	verdict, late := verdicts.Next(ctx), sendoff.After(ctx, 7*24*time.Hour)
	first, err := sendoff.Select(ctx, verdict, late)
	if err != nil {
		return err
	}
	if first == 1 {
		return errors.New("nobody looked at the order for a week")
	}
	v, err := verdict.Await(ctx)
	if err != nil {
		return err
	}
	if !v.OK {
		return fmt.Errorf("%s said no", v.By)
	}
	return nil
}

// What stands for the services of others.

func charge(_ context.Context, id string, cents int, key string) (string, error) {
	log.Printf("order %s: charge %d cents, idempotency key %s", id, cents, key)
	return "payment-" + id, nil
}

func refund(_ context.Context, id string) error {
	log.Printf("order %s: give the money back, if there is some", id)
	return nil
}

func bookParcel(_ context.Context, o Order) (string, error) {
	if o.Email == "" {
		return "", errors.New("there is no address to ship to")
	}
	log.Printf("order %s: parcel for %s", o.ID, o.Email)
	return "parcel-" + o.ID, nil
}

func main() {
	endpoint, err := sendoff.NewEndpoint(sendoff.EndpointConfig{}, order, price, ship)
	if err != nil {
		log.Fatal(err)
	}
	defer endpoint.Close()
	mux := http.NewServeMux()
	mux.Handle("/dispatch.sdk.v1.FunctionService/", endpoint)
	mux.HandleFunc("POST /orders", place)
	mux.HandleFunc("GET /orders/{id}", result(endpoint.Client()))
	mux.HandleFunc("POST /orders/{id}/verdict", decide)
	addr := cmp.Or(os.Getenv("DISPATCH_ENDPOINT_ADDR"), "127.0.0.1:8000")
	log.Println("listening on", addr)
	log.Fatal(http.ListenAndServe(addr, mux)) //nolint:gosec // an example
}

// place starts an order. The same order sent again is the same call.
func place(w http.ResponseWriter, r *http.Request) {
	var o Order
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil || o.ID == "" {
		http.Error(w, "want an order with an id", http.StatusBadRequest)
		return
	}
	call, err := order.Dispatch(r.Context(), o, sendoff.CallID(o.ID))
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintln(w, call.ID)
}

// result waits for the end of an order, for ten seconds.
func result(client *sendoff.Client) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
		defer cancel()
		t, err := client.Wait(ctx, r.PathValue("id"))
		switch {
		case sendoff.IsNotFound(err):
			http.NotFound(w, r)
		case t == nil:
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		case !t.Final():
			fmt.Fprintln(w, t.State)
		case t.Error != nil:
			fmt.Fprintln(w, t.State, t.Error.Message)
		default:
			fmt.Fprintln(w, t.State, string(t.Result))
		}
	}
}

// decide tells a waiting order what a person said.
func decide(w http.ResponseWriter, r *http.Request) {
	var v Verdict
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
		http.Error(w, "want a verdict", http.StatusBadRequest)
		return
	}
	if err := verdicts.Send(r.Context(), r.PathValue("id"), v); err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
