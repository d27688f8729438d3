package engine_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
)

// sums adds the points of a queue up.
func sums(t *testing.T, d *door, query string) map[string]float64 {
	t.Helper()
	code, _, page := d.call(t, "GET", "/v1/stats?key=mail"+query, "")
	require.Equal(t, 200, code, page)
	out := map[string]float64{}
	for _, item := range page["items"].([]any) {
		for _, point := range item.(map[string]any)["points"].([]any) {
			for name, v := range point.(map[string]any) {
				switch v := v.(type) {
				case float64:
					out[name] += v
				case map[string]any:
					for word, n := range v {
						if n, ok := n.(float64); ok && n != 0 {
							out[name+"."+word] += n
						}
					}
				}
			}
		}
	}
	return out
}

// TestStatsAreWhatHappened, before and after they are written, in any step.
func TestStatsAreWhatHappened(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	failed(t, d, rejecting(t), "mail")
	good := app(t, func(http.ResponseWriter, *http.Request) {})
	for range 3 {
		d.call(t, "GET", "/v1/tasks/"+submit(t, d, fmt.Sprintf(`{"url":%q,"queue":"mail"}`, good))+"?wait=5s", "")
	}
	submit(t, d, fmt.Sprintf(`{"url":%q,"queue":"mail","delay":"1h"}`, good))
	d.call(t, "GET", "/v1/tasks/"+submit(t, d, fmt.Sprintf(`{"url":%q,"queue":"other"}`, good))+"?wait=5s", "")

	want := map[string]float64{"accepted": 5, "started": 4, "outcomes.success": 3, "outcomes.reject": 1, "ended.succeeded": 3, "ended.failed": 1}
	require.Equal(t, want, sums(t, d, ""))
	engine.FlushSeries(d.Engine)
	want["depth.failed"], want["depth.scheduled"] = 1, 1
	for _, step := range []string{"", "&step=10s", "&step=1m", "&step=10m", "&step=1h"} {
		require.Equal(t, want, sums(t, d, step), step)
	}
	code, _, page := d.call(t, "GET", "/v1/stats?by=target", "")
	require.Equal(t, 200, code, page)
	require.Equal(t, "1h0m0s", page["step"])
	host := strings.TrimPrefix(good, "http://")
	counted := map[string]float64{}
	for _, item := range page["items"].([]any) {
		item := item.(map[string]any)
		for _, p := range item["points"].([]any) {
			counted[item["key"].(string)] += p.(map[string]any)["accepted"].(float64)
		}
	}
	require.EqualValues(t, 5, counted[host], "of both queues: %v", counted)
	require.Len(t, counted, 2)
	require.Empty(t, sums(t, d, "&to=2020-01-01T00:00:00Z"))
	for _, wrong := range []string{"by=target&step=1m", "by=host", "step=2m", "step=0", "from=2100-01-01T00:00:00Z", "from=2020-01-01T00:00:00Z&step=1m"} {
		code, _, _ := d.call(t, "GET", "/v1/stats?"+wrong, "")
		require.Equal(t, 422, code, wrong)
	}
}
