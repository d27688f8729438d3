package sendoff

import (
	"context"
	"strings"
)

// reasonHeader is where the server looks for why something is done.
const reasonHeader = "Sendoff-Reason"

type reasonKey struct{}

// WithReason returns a context in which calls of a [Client] tell the server why: the audit
// has the first 500 bytes with what is done. An empty reason tells nothing.
func WithReason(ctx context.Context, reason string) context.Context {
	return context.WithValue(ctx, reasonKey{}, reason)
}

// reasonOf is the reason of a context as a header can have it; "" = none.
func reasonOf(ctx context.Context) string {
	reason, _ := ctx.Value(reasonKey{}).(string)
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, reason)
}
