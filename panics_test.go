package sendoff_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/sendoff-dev/sendoff"
	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
)

// nilError is what a function returns that declares its error with a type.
type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

// explosive cannot be encoded.
type explosive struct{}

func (explosive) MarshalJSON() ([]byte, error) { panic("no\xfftext") }

func endpointOf(t *testing.T, f sendoff.AnyFunction) *sendoff.Endpoint {
	t.Helper()
	e, err := sendoff.NewEndpoint(sendoff.EndpointConfig{Development: true, Logger: quiet}, f)
	require.NoError(t, err)
	t.Cleanup(e.Close)
	return e
}

func runRequest(t *testing.T, function string) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, runPath, bytes.NewReader(runBody(t, function)))
	r.Header.Set("Content-Type", "application/proto")
	return r
}

func TestAnErrorThatPanicsIsAPanicOfTheFunction(t *testing.T) {
	f := sendoff.Func("typed_nil", func(context.Context, int) (int, error) {
		var e *nilError
		return 0, e
	})
	e := endpointOf(t, f)
	for range 3 {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, runRequest(t, "typed_nil"))
		var res sdkv1.RunResponse
		require.NoError(t, proto.Unmarshal(w.Body.Bytes(), &res))
		require.Equal(t, sdkv1.Status_STATUS_TEMPORARY_ERROR, res.GetStatus())
		require.Equal(t, "panic", res.GetExit().GetResult().GetError().GetType()) // not that it is busy
	}
}

func TestAStepWhoseResultPanicsFails(t *testing.T) {
	text := func(ctx context.Context, n int) (string, error) {
		var err error
		if n == 0 {
			_, err = sendoff.Step(ctx, "typed nil", func(context.Context) (int, error) {
				var e *nilError
				return 0, e
			}, sendoff.NoRetry())
		} else {
			_, err = sendoff.Step(ctx, "explosive", func(context.Context) (explosive, error) { return explosive{}, nil })
		}
		if err == nil {
			return "", nil
		}
		return err.Error(), nil
	}
	f := sendoff.Func("bad_steps", text)
	for _, m := range []mode{journalWarm, journalCold} {
		s := stage(t, m, 1, f)
		require.Contains(t, play(t, s, f, 0).GetOutput().String(), "nil pointer")
		require.Contains(t, play(t, s, f, 1).GetOutput().String(), "no?text")
	}
}

// brokenWriter is a connection whose middleware gives up by a panic.
type brokenWriter struct{ *httptest.ResponseRecorder }

func (brokenWriter) Write([]byte) (int, error) { panic(http.ErrAbortHandler) }

func TestAnAnswerThatCannotBeWrittenLeavesNoRunBusy(t *testing.T) {
	f := sendoff.Func("unwritten", func(context.Context, int) (int, error) { return 7, nil })
	e := endpointOf(t, f)
	require.Panics(t, func() { e.ServeHTTP(brokenWriter{httptest.NewRecorder()}, runRequest(t, "unwritten")) })
	w := httptest.NewRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.ServeHTTP(w, runRequest(t, "unwritten").WithContext(t.Context()))
	}()
	<-done
	var res sdkv1.RunResponse
	require.NoError(t, proto.Unmarshal(w.Body.Bytes(), &res))
	require.Equal(t, sdkv1.Status_STATUS_OK, res.GetStatus())
}
