// Package fixes has what can be mended by writing it anew.
package fixes

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sendoff-dev/sendoff"
)

func log(d time.Duration, n int) { fmt.Println(d, n) }

var mended = sendoff.Func("mended", func(ctx context.Context, n int) (int, error) {
	began := time.Now()              // want `SENDOFF2003`
	time.Sleep(2 * time.Second)      // want `SENDOFF2003`
	go log(began.Sub(began), n)      // want `SENDOFF2001`
	log(time.Since(began), n)        // want `SENDOFF2003`
	log(time.Until(began.Add(1)), n) // want `SENDOFF2003`
	n += rand.IntN(n + 1)            // want `SENDOFF2003`
	go func() {                      // want `SENDOFF2001`
		log(0, n)
	}()
	short, cancel := context.WithTimeout(ctx, time.Second) // want `SENDOFF2003`
	defer cancel()
	return sendoff.Step(short, "one", func(own context.Context) (int, error) {
		return n, ctx.Err() // want `SENDOFF2004`
	})
})

// Here ctx is something else, so the author must say what to use.
var shadowed = sendoff.Func("shadowed", func(ctx context.Context, n int) (int, error) {
	if err := sendoff.Sleep(ctx, 1); err != nil {
		return 0, err
	}
	{
		ctx := "another"
		log(0, len(ctx))
		_ = time.Now() // want `SENDOFF2003`
	}
	return n, nil
})
