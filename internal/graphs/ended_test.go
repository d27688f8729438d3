package graphs

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// counted counts requests.
type counted struct {
	http.RoundTripper
	n int
}

func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n++
	return c.RoundTripper.RoundTrip(r)
}

// TestACallThatHasEndedIsReadOnce, and again when it has ended again.
func TestACallThatHasEndedIsReadOnce(t *testing.T) {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "sendoff.db"), sqlite.Options{})
	require.NoError(t, err)
	defer db.Close()
	eng, err := engine.New(db, engine.Config{})
	require.NoError(t, err)
	requests := &counted{RoundTripper: eng.Transport()}
	client, err := sendoff.NewClient(sendoff.ClientConfig{URL: "http://embedded", HTTPClient: &http.Client{Transport: requests}})
	require.NoError(t, err)
	call, err := client.Submit(t.Context(), sendoff.NewTask{URL: "http://example.com/"})
	require.NoError(t, err)
	call, err = client.Tasks.Cancel(t.Context(), call.ID)
	require.NoError(t, err)
	require.True(t, call.Final())

	e := &ended{}
	for _, run := range []string{"a", "a", "b", "c", "d", "e", "f", "g", "h", "a", "i", "a"} {
		require.NoError(t, e.complete(t.Context(), client, run, call))
	}
	require.Equal(t, 2+8+2, requests.n, "each once, and a again when i had taken its place")
	require.Len(t, e.runs, keptRuns)
	again := *call
	again.FinishedAt = again.FinishedAt.Add(1)
	requests.n = 0
	require.NoError(t, e.complete(t.Context(), client, "i", &again))
	require.Equal(t, 1, requests.n)
}
