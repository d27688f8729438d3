// Package outside breaks the rule about what belongs into a Step.
package outside

import (
	"context"
	crand "crypto/rand"
	"database/sql"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/google/uuid"

	"github.com/sendoff-dev/sendoff"
)

var db *sql.DB

// A leaf that calls nothing is run anew when it fails, and may do what it wants.
var charge = sendoff.Func("charge", func(ctx context.Context, n int) (int, error) {
	if rand.IntN(3) == 0 {
		time.Sleep(time.Second)
	}
	_, err := http.Get(os.Getenv("CHARGE_URL"))
	return n, err
})

var bad = sendoff.Func("bad", func(ctx context.Context, n int) (int, error) {
	began := time.Now()             // want `SENDOFF2003: time.Now in durable code: a replay reads another time; use sendoff.Now\(ctx\) \(docs/determinism.md#sendoff2003\)`
	time.Sleep(time.Second)         // want `SENDOFF2003: time.Sleep`
	<-time.After(time.Since(began)) // want `SENDOFF2003: time.After` `SENDOFF2003: time.Since`
	if rand.IntN(2) == 0 {          // want `SENDOFF2003: rand.IntN.*sendoff.Rand`
		return 0, nil
	}
	id := uuid.NewString()        // want `SENDOFF2003: uuid.NewString.*sendoff.NewID`
	_, _ = crand.Read([]byte(id)) // want `SENDOFF2003: rand.Read`
	if os.Getenv("HOME") == "" {  // want `SENDOFF2003: os.Getenv`
		_, _ = os.ReadFile(id) // want `SENDOFF2003: os.ReadFile`
	}
	_, _ = http.DefaultClient.Get(id)            // want `SENDOFF2003: http.Client.Get`
	_, _ = db.ExecContext(ctx, id)               // want `SENDOFF2003: sql.DB.ExecContext`
	_ = exec.Command(id).Run()                   // want `SENDOFF2003: exec.Cmd.Run`
	short, cancel := context.WithTimeout(ctx, 1) // want `SENDOFF2003: context.WithTimeout.*sendoff.WithTimeout`
	defer cancel()
	return charge.Await(short, n)
})

var client *sendoff.Client

var asks = sendoff.Func("asks", func(ctx context.Context, n int) (int, error) {
	h, err := charge.Dispatch(ctx, n)
	if err != nil {
		return 0, err
	}
	_, _ = client.Get(ctx, h.ID)       // want `SENDOFF2003: sendoff.Client.Get in durable code`
	_, _ = client.Tasks.Run(ctx, h.ID) // want `SENDOFF2003: sendoff.Tasks.Run in durable code`
	return h.Wait(ctx)                 // want `SENDOFF2003: sendoff.Handle.Wait in durable code`
})

// A branch is durable code, whatever it does.
var branches = sendoff.Func("branches", func(ctx context.Context, n int) (int, error) {
	return sendoff.Go(ctx, func(context.Context) (int, error) {
		_, err := http.Get("http://example.com") // want `SENDOFF2003: http.Get`
		return n, err
	}).Await(ctx)
})

var loops = sendoff.Func("loops", func(ctx context.Context, n int) (int, error) {
	return sendoff.Loop(ctx, n, tick)
})

func tick(ctx context.Context, n *int) (bool, error) {
	*n = time.Now().Second() // want `SENDOFF2003: time.Now`
	return true, nil
}

var good = sendoff.Func("good", func(ctx context.Context, n int) (int, error) {
	began := sendoff.Now(ctx).Add(3 * time.Second).UTC()
	at, err := time.Parse(time.RFC3339, "2026-01-01T00:00:00Z")
	if err != nil || time.Unix(0, 0).Before(began) && began.Before(at) {
		return 0, err
	}
	seeded := rand.New(rand.NewPCG(1, 2))
	if _, err := uuid.Parse(sendoff.NewID(ctx)); err != nil || seeded.IntN(2) == 0 {
		return 0, err
	}
	ctx, cancel := sendoff.WithTimeout(ctx, time.Hour)
	defer cancel()
	child, stop := context.WithCancel(ctx)
	defer stop()
	return sendoff.Step(child, "world", func(ctx context.Context) (int, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, os.Getenv("URL"), nil)
		if err != nil {
			return 0, err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err
		}
		return res.StatusCode + int(time.Now().Unix()) + rand.IntN(n), res.Body.Close()
	})
})
