package engine_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
)

func TestAttemptsAreBoundedAndPaged(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	url := app(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(500)
		_, _ = w.Write([]byte(strings.Repeat("x", 60_000)))
	})
	code, _, got := d.call(t, "POST", "/v1/tasks",
		fmt.Sprintf(`{"url":%q,"id":"x","retry":{"max_attempts":110,"min_backoff":"1ms","max_backoff":"1ms","factor":1,"jitter":0}}`, url))
	require.Equal(t, 201, code, got)
	for got["state"] != "failed" {
		_, _, got = d.call(t, "GET", "/v1/tasks/x?wait=60s", "")
	}
	var numbers []int
	left, pages, cursor := 0.0, 0, ""
	for {
		_, _, page := d.call(t, "GET", "/v1/tasks/x/attempts?cursor="+cursor, "")
		size := 0
		for _, item := range page["items"].([]any) {
			a := item.(map[string]any)
			numbers = append(numbers, int(a["number"].(float64)))
			if n, ok := a["left_out"].(float64); ok {
				left += n
			}
			size += len(a["body"].(string))
		}
		require.LessOrEqual(t, size, 4<<20, "bytes of a page")
		pages++
		if cursor, _ = page["next_cursor"].(string); cursor == "" {
			break
		}
	}
	require.Equal(t, 2, pages, "100 answers of 60,000 bytes are more than a page")
	require.Len(t, numbers, 100)
	require.Equal(t, []int{1, 10, 21, 110}, []int{numbers[0], numbers[9], numbers[10], numbers[99]})
	require.EqualValues(t, 10, left)

	code, _, got = d.call(t, "GET", "/v1/tasks/x/attempts?cursor=nonsense", "")
	require.Equal(t, "422 invalid_request", fmt.Sprint(code, " ", got["code"]))
}
