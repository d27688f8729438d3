package sendofftest_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/sendofftest"
)

type Order struct {
	ID    string
	Lines []int
}

type Receipt struct {
	Total    int
	Approved string
	At       time.Time
}

var (
	price    = sendoff.Func("price", func(_ context.Context, line int) (int, error) { return 10 * line, nil })
	charge   = sendoff.Func("charge", func(context.Context, int) (string, error) { return "", errors.New("no card reader here") })
	approval = sendoff.NewSignal[string]("approval")
	place    = sendoff.Func("place", placeOrder)
)

func placeOrder(ctx context.Context, o Order) (Receipt, error) {
	prices, err := price.Gather(ctx, o.Lines)
	if err != nil {
		return Receipt{}, err
	}
	sum, err := sendoff.Step(ctx, "sum", func(context.Context) (int, error) {
		total := 0
		for _, p := range prices {
			total += p
		}
		return total, nil
	})
	if err != nil {
		return Receipt{}, err
	}
	ok, late := approval.Next(ctx), sendoff.After(ctx, 30*24*time.Hour)
	if i, err := sendoff.Select(ctx, ok, late); err != nil || i == 1 {
		return Receipt{}, errors.Join(errors.New("nobody approved"), err)
	}
	who, err := ok.Await(ctx)
	if err != nil {
		return Receipt{}, err
	}
	if _, err := charge.Await(ctx, sum); err != nil {
		return Receipt{}, err
	}
	return Receipt{sum, who, sendoff.Now(ctx)}, nil
}

func stubs(e *sendofftest.Env, id string) {
	sendofftest.Stub(e, charge, func(int) (string, error) { return "paid", nil })
	e.At(48*time.Hour, func() { _ = approval.Send(context.Background(), id, "eve", sendoff.Via(e.Client())) })
}

func TestTimeJumps(t *testing.T) {
	e := sendofftest.New(t, place, price)
	stubs(e, sendofftest.FirstID)
	begun := e.Now()
	got, err := sendofftest.Run(e, place, Order{"a", []int{1, 2, 3}})
	require.NoError(t, err)
	require.Equal(t, 60, got.Total)
	require.Equal(t, "eve", got.Approved)
	require.Equal(t, begun.Add(48*time.Hour), got.At)
	require.Equal(t, 3, e.Calls(price))
	require.Equal(t, 1, e.Calls(charge))
}

func TestNobodyApproves(t *testing.T) {
	_, err := sendofftest.Run(sendofftest.New(t, place, price), place, Order{Lines: []int{1}})
	require.ErrorContains(t, err, "nobody approved")
}

func TestStubsMayFail(t *testing.T) {
	e := sendofftest.New(t, place, price)
	stubs(e, sendofftest.FirstID)
	sendofftest.Stub(e, charge, func(int) (string, error) { return "", errors.New("declined") })
	_, err := sendofftest.Run(e, place, Order{Lines: []int{1}})
	call, ok := errors.AsType[*sendoff.CallError](err)
	require.True(t, ok)
	require.Contains(t, call.Message, "declined")
}

func TestAnOrderSurvivesEverything(t *testing.T) {
	in := Order{"a", []int{1, 2, 3}}
	sendofftest.CrashEverywhere(t, place, in, stubs, price)
	sendofftest.Shuffle(t, 20, place, in, stubs, price)
}

// recorder notes what a test reports.
type recorder struct {
	testing.TB
	errors int
}

func (r *recorder) Errorf(string, ...any) { r.errors++ }

func TestCrashEverywhereFindsWhatIsNotOnRecord(t *testing.T) {
	lives := 0
	sloppy := sendoff.Func("sloppy", func(ctx context.Context, _ int) (int, error) {
		lives++ // survives in memory, and counts replays
		mine := lives
		for range 3 {
			if err := sendoff.Sleep(ctx, time.Hour); err != nil {
				return 0, err
			}
		}
		return mine, nil
	})
	r := &recorder{TB: t}
	sendofftest.CrashEverywhere(r, sloppy, 1, nil)
	require.Equal(t, 1, r.errors)

	captured := sendoff.Func("captured", func(ctx context.Context, _ int) (int, error) {
		total := 0
		_, err := sendoff.Step(ctx, "count", func(context.Context) (int, error) { total = 5; return 0, nil })
		if err != nil {
			return 0, err
		}
		return total, sendoff.Sleep(ctx, time.Hour)
	})
	r = &recorder{TB: t}
	sendofftest.CrashEverywhere(r, captured, 1, nil)
	require.Equal(t, 1, r.errors)
}

func TestShuffleFindsWhatDependsOnTheOrder(t *testing.T) {
	hasty := sendoff.Func("hasty", func(ctx context.Context, _ int) (int, error) {
		a, b := price.Start(ctx, 1), price.Start(ctx, 2)
		_, v, err := sendoff.Race(ctx, a, b)
		return v, err
	})
	r := &recorder{TB: t}
	sendofftest.Shuffle(r, 50, hasty, 1, nil, price)
	require.Equal(t, 1, r.errors)
}

// TestGolden replays journals of earlier versions of the SDK. A new one is
// recorded with SENDOFF_RECORD=name.
func TestGolden(t *testing.T) {
	if name := os.Getenv("SENDOFF_RECORD"); name != "" {
		e := sendofftest.New(t, place, price)
		stubs(e, sendofftest.FirstID)
		p := sendofftest.Start(e, place, Order{"golden", []int{3, 4}})
		_, err := p.Wait()
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join("testdata", name+".journal"), p.Journal(), 0o600))
	}
	sendofftest.Golden(t, "testdata", place)
}

func TestReplayFindsAChange(t *testing.T) {
	e := sendofftest.New(t, place, price)
	stubs(e, sendofftest.FirstID)
	p := sendofftest.Start(e, place, Order{"a", []int{1}})
	_, err := p.Wait()
	require.NoError(t, err)
	require.NoError(t, sendofftest.Replay(place, p.Journal()))
	changed := sendoff.Func("place", func(ctx context.Context, o Order) (Receipt, error) {
		_, err := price.Gather(ctx, o.Lines)
		if err != nil {
			return Receipt{}, err
		}
		_, err = charge.Await(ctx, 1)
		return Receipt{}, err
	})
	err = sendofftest.Replay(changed, p.Journal())
	require.ErrorContains(t, err, "SENDOFF1001")
	require.ErrorContains(t, err, "recorded: step sum at sendofftest/sendofftest_test.go:")
	require.Error(t, sendofftest.Replay(place, p.Journal()[:50]))
	require.ErrorContains(t, sendofftest.Replay(price, p.Journal()), "function place")
}
