// Package allowed says what is fine.
package allowed

import (
	"context"
	"time"

	"github.com/sendoff-dev/sendoff"
)

var allowed = sendoff.Func("allowed", func(ctx context.Context, n int) (int, error) {
	//sendoff:allow SENDOFF2003 only for a metric
	began := time.Now()
	_ = time.Since(began) //sendoff:allow SENDOFF2003,SENDOFF2001 only for a metric
	_ = time.Now()        // want `SENDOFF2003`

	//sendoff:allow SENDOFF2001 another rule
	_ = time.Now() // want `SENDOFF2003`

	//sendoff:allow SENDOFF2003 // want `SENDOFF2011: an allow comment without a reason`
	_ = time.Now() // want `SENDOFF2003`

	//sendoff:allow // want `SENDOFF2011: an allow comment without a code`
	//sendoff:allow SENDOFF1 no such rule // want `SENDOFF2011: an allow comment for SENDOFF1, which is no rule`
	_ = stamp()
	return n, sendoff.Sleep(ctx, 1)
})

// stamp may be called by anybody.
func stamp() time.Time {
	return time.Now() //sendoff:allow SENDOFF2003 rounded to the century
}
