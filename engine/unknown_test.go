package engine_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// TestWhatIsWrongWithTheDatabaseIsInTheLog: clients hear that it does not answer,
// at every door; those who run the server hear why.
func TestWhatIsWrongWithTheDatabaseIsInTheLog(t *testing.T) {
	for _, door := range []struct{ method, path, body string }{
		{http.MethodGet, "/v1/tasks", ""},
		{http.MethodPost, "/v1/tasks", `{"url":"http://127.0.0.1:9/"}`},
		{http.MethodPost, "/v1/tasks/batch", `{"tasks":[{"url":"http://127.0.0.1:9/"}]}`},
		{http.MethodPost, "/task", `{"target":"http://127.0.0.1:9/","taskName":"a"}`},
		{http.MethodPost, "/dispatch.sdk.v1.DispatchService/Dispatch", `{"calls":[{"endpoint":"http://127.0.0.1:9","function":"f"}]}`},
		{http.MethodPost, "/dispatch.sdk.v1.DispatchService/Wait", "01a20468-de60-70e9-bcde-8615b1a0bb3f"},
	} {
		t.Run(door.method+" "+door.path, func(t *testing.T) {
			db, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "sendoff.db"), sqlite.Options{})
			require.NoError(t, err)
			var log bytes.Buffer
			e, err := engine.New(db, engine.Config{AllowLoopback: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
			require.NoError(t, err)
			require.NoError(t, db.Close())
			req := httptest.NewRequestWithContext(t.Context(), door.method, door.path, strings.NewReader(door.body))
			if door.body != "" {
				req.Header.Set("Content-Type", "application/json")
			}
			w := httptest.NewRecorder()
			e.Handler(engine.HandlerConfig{}).ServeHTTP(w, req)
			answer, _ := io.ReadAll(w.Body)
			require.Equal(t, http.StatusServiceUnavailable, w.Code, string(answer))
			require.NotContains(t, string(answer), "closed")
			require.Contains(t, log.String(), "closed", "the answer was %s", answer)
		})
	}
}
