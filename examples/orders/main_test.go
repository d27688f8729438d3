package main

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/sendofftest"
)

var pens = Order{ID: "o-1", Email: "ada@example.com", Items: []Item{{"pen", 2}, {"ink", 1}}}

func TestPrice(t *testing.T) {
	cents, err := price.Await(t.Context(), Item{"pen", 2})
	require.NoError(t, err)
	require.Equal(t, 1500, cents)
}

func TestOrder(t *testing.T) {
	env := sendofftest.New(t, order, price)
	sendofftest.Stub(env, ship, func(o Order) (string, error) { return "parcel of " + o.ID, nil })
	receipt, err := sendofftest.Run(env, order, pens)
	require.NoError(t, err)
	require.Equal(t, Receipt{2250, "payment-o-1", "parcel of o-1"}, receipt)
	require.Equal(t, 2, env.Calls(price))
}

func TestALargeOrderWaitsForAPerson(t *testing.T) {
	env := sendofftest.New(t, order, price, ship)
	large := Order{ID: "o-2", Email: "ada@example.com", Items: []Item{{"pen", 200}}}
	call := sendofftest.Start(env, order, large)
	env.At(48*time.Hour, func() {
		_ = verdicts.Send(context.Background(), call.ID, Verdict{OK: true, By: "eve"}, sendoff.Via(env.Client()))
	})
	begun := env.Now()
	_, err := call.Wait()
	require.NoError(t, err)
	require.Equal(t, 48*time.Hour, env.Now().Sub(begun)) // and yet the test took milliseconds
}

func TestNobodyLooks(t *testing.T) {
	env := sendofftest.New(t, order, price, ship)
	_, err := sendofftest.Run(env, order, Order{ID: "o-3", Items: []Item{{"pen", 200}}})
	require.ErrorContains(t, err, "nobody looked at the order for a week")
	require.Zero(t, env.Calls(ship))
}

func TestSoldOut(t *testing.T) {
	env := sendofftest.New(t, order, price, ship)
	_, err := sendofftest.Run(env, order, Order{ID: "o-4", Items: []Item{{"unicorn", 1}}})
	soldOut, ok := errors.AsType[*SoldOut](err)
	require.True(t, ok)
	require.Equal(t, "unicorn", soldOut.SKU)
}

func TestAnOrderSurvives(t *testing.T) {
	yes := func(env *sendofftest.Env, id string) {
		_ = verdicts.Send(context.Background(), id, Verdict{OK: true, By: "eve"}, sendoff.Via(env.Client()))
	}
	sendofftest.CrashEverywhere(t, order, pens, yes, price, ship)
	sendofftest.Shuffle(t, 20, order, pens, yes, price, ship)
}

// TestGolden has the code of today repeat what earlier versions recorded. With
// RECORD=1 it records another one.
func TestGolden(t *testing.T) {
	if os.Getenv("RECORD") != "" {
		env := sendofftest.New(t, order, price, ship)
		call := sendofftest.Start(env, order, pens)
		_, err := call.Wait()
		require.NoError(t, err)
		require.NoError(t, os.WriteFile("testdata/order-1.journal", call.Journal(), 0o600))
	}
	sendofftest.Golden(t, "testdata", order)
}
