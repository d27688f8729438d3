package pages

import (
	"context"
	"net/url"
	"slices"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
)

// Keys is the page of the API keys.
type Keys struct {
	Items  []sendoff.APIKey
	Scopes []string // that a key can have
	Open   bool     // nobody needs a key so far
	Made   sendoff.APIKey
	Values url.Values // as they were typed
	Wrong  *problem.Problem
}

// Settings is the page that says who looks, and how pages are shown.
type Settings struct {
	Me    sendoff.Me
	Zone  string // as it was typed; "" = UTC
	Wrong string // what was wrong with it
	Views []sendoff.View
	Now   time.Time
}

// scopeWords say what a scope is for.
var scopeWords = map[string]string{
	"read": "see tasks, queues and the rest, without what they carry", "payloads": "see what tasks carry and bring back", "enqueue": "submit tasks, and send signals",
	"operate": "steer what is there", "admin": "everything, and keys",
}

// themes are how pages look, with what people call them.
var themes = [][2]string{{"", "As the system has it"}, {"light", "Light"}, {"dark", "Dark"}}

// expiring tells whether a key ends within a week, or has.
func expiring(k *sendoff.APIKey) bool {
	return !k.ExpiresAt.IsZero() && time.Until(k.ExpiresAt) < 7*24*time.Hour
}

func scopesText(list []sendoff.Scope) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}

func has(list []string, one string) bool { return slices.Contains(list, one) }

type zoneKey struct{}

// WithZone has the pages of a context show times in a zone.
func WithZone(ctx context.Context, zone *time.Location) context.Context {
	return context.WithValue(ctx, zoneKey{}, zone)
}

// exact is a time to the millisecond, in the zone of the context; default UTC.
func exact(ctx context.Context, t time.Time) string {
	zone, ok := ctx.Value(zoneKey{}).(*time.Location)
	if !ok {
		zone = time.UTC
	}
	return t.In(zone).Format("2006-01-02 15:04:05.000 MST")
}
