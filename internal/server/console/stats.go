package console

import (
	"net/http"
	"net/url"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/internal/server/console/pages"
)

// spans are how far back charts can look, and the steps that suit.
var spans = map[string]struct{ length, step time.Duration }{
	"1h":  {time.Hour, time.Minute},
	"24h": {24 * time.Hour, 10 * time.Minute},
	"7d":  {7 * 24 * time.Hour, time.Hour},
}

// history is what was counted of a queue, "" = of all, as far back as the page was asked
// for with ?span=.
func (d *door) history(r *http.Request, queue string) (h pages.History, err error) {
	h.Span = r.URL.Query().Get("span")
	if h.Span == "" {
		h.Span = "1h"
	}
	span, ok := spans[h.Span]
	if !ok {
		return h, wrong("span is %q: want 1h, 24h or 7d", h.Span)
	}
	q := url.Values{"by": {"queue"}, "step": {span.step.String()}, "from": {time.Now().Add(-span.length).UTC().Format(time.RFC3339)}}
	if queue != "" {
		q.Set("key", queue)
	}
	var series sendoff.Series
	if err := d.get(r.Context(), "/v1/stats", q, &series); err != nil {
		return h, err
	}
	h.Read(&series, span.step)
	return h, nil
}
