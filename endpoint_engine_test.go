package sendoff_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// TestAnEngineInTheProcessNeedsNoAddress: neither the endpoint nor its client has a
// connection, whatever the environment says of a server elsewhere.
func TestAnEngineInTheProcessNeedsNoAddress(t *testing.T) {
	t.Setenv("SENDOFF_URL", "http://127.0.0.1:1")
	t.Setenv("DISPATCH_ENDPOINT_URL", "http://127.0.0.1:1")
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "sendoff.db"), sqlite.Options{})
	require.NoError(t, err)
	e, err := engine.New(db, engine.Config{})
	require.NoError(t, err)

	word := sendoff.NewSignal[string]("word")
	f := sendoff.Func("listens", func(ctx context.Context, n int) (string, error) {
		step := sendoff.StepAsync(ctx, "long", func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		s, err := word.Recv(ctx) // told while the step runs
		step.Cancel()
		return s, err
	})
	endpoint, err := sendoff.NewEndpoint(sendoff.EndpointConfig{Engine: e}, f)
	require.NoError(t, err)
	require.Equal(t, "embedded://app", endpoint.URL())

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	call, err := f.Dispatch(t.Context(), 1)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		page, err := endpoint.Client().Tasks.Steps(t.Context(), call.ID, sendoff.StepFilter{})
		return err == nil && len(page.Items) == 1 && page.Items[0].State == sendoff.StateRunning
	}, 20*time.Second, 10*time.Millisecond, "the step is on record while it runs")
	require.NoError(t, word.Send(t.Context(), call.ID, "hello", sendoff.Via(endpoint.Client())))
	out, err := call.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, "hello", out)

	endpoint.Close()
	stop()
	require.NoError(t, errors.Join(<-ended, db.Close()))
}

func TestTheURLOfFunctionsOfAnEngineIsEmbedded(t *testing.T) {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "sendoff.db"), sqlite.Options{})
	require.NoError(t, err)
	defer db.Close()
	e, err := engine.New(db, engine.Config{})
	require.NoError(t, err)
	_, err = sendoff.NewEndpoint(sendoff.EndpointConfig{Engine: e, URL: "http://127.0.0.1:8000"})
	require.ErrorContains(t, err, "want embedded://NAME")
	_, err = sendoff.NewEndpoint(sendoff.EndpointConfig{Engine: e, URL: "embedded://"})
	require.ErrorContains(t, err, "URL")
}

func TestTwoEndpointsOfAnEngineNeedTwoNames(t *testing.T) {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "sendoff.db"), sqlite.Options{})
	require.NoError(t, err)
	defer db.Close()
	e, err := engine.New(db, engine.Config{})
	require.NoError(t, err)
	first, err := sendoff.NewEndpoint(sendoff.EndpointConfig{Engine: e})
	require.NoError(t, err)
	_, err = sendoff.NewEndpoint(sendoff.EndpointConfig{Engine: e})
	require.ErrorContains(t, err, "embedded://app serves functions already")
	other, err := sendoff.NewEndpoint(sendoff.EndpointConfig{Engine: e, URL: "embedded://other"})
	require.NoError(t, err)
	defer other.Close()
	first.Close()
	again, err := sendoff.NewEndpoint(sendoff.EndpointConfig{Engine: e})
	require.NoError(t, err, "the name of a closed endpoint is free")
	defer again.Close()
	first.Close() // does not take the name of the next one away
	_, err = sendoff.NewEndpoint(sendoff.EndpointConfig{Engine: e})
	require.Error(t, err)
}
