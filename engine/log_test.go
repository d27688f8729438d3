package engine_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
)

// TestEachAttemptIsLoggedAtDebug, and at no other level.
func TestEachAttemptIsLoggedAtDebug(t *testing.T) {
	for level, want := range map[slog.Level]int{slog.LevelDebug: 2, slog.LevelInfo: 0} {
		synctest.Test(t, func(t *testing.T) {
			var text bytes.Buffer // the handler writes one line at a time
			b := open(t, engine.Config{Log: slog.New(slog.NewJSONHandler(&text, &slog.HandlerOptions{Level: level}))})
			failed := false
			engine.Handle(b.Engine, "once", func(context.Context, struct{}) error {
				if !failed {
					failed = true
					return errors.New("not yet")
				}
				return nil
			})
			b.run(t)
			id := b.submit(t, "once")
			require.Equal(t, "succeeded , 2 attempts", b.wait(t, id))
			b.stop()
			require.Equal(t, want, bytes.Count(text.Bytes(), []byte(`"msg":"attempt started","task_id":"`+id+`","token":`)), text.String())
			require.Equal(t, want, bytes.Count(text.Bytes(), []byte(`"msg":"attempt ended","task_id":"`+id+`","token":`)), text.String())
			if want > 0 {
				require.Contains(t, text.String(), `"outcome":"failure","state":"scheduled","reason":"backoff"`)
				require.Contains(t, text.String(), `"err":"not yet"`)
				require.Contains(t, text.String(), `"outcome":"success","state":"succeeded"`)
			}
		})
	}
}
