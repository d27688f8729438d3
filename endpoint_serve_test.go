package sendoff_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
)

// TestAnEndpointStopsBesideSilentConnections: a connection that never brought a
// request does not hold the end up.
func TestAnEndpointStopsBesideSilentConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	e, err := sendoff.NewEndpoint(sendoff.EndpointConfig{Addr: addr, Development: true, Logger: quiet})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.ListenAndServe(ctx) }()
	var silent net.Conn
	require.Eventually(t, func() bool {
		silent, err = net.Dial("tcp", addr)
		return err == nil
	}, 5*time.Second, 10*time.Millisecond)
	defer silent.Close()
	time.Sleep(50 * time.Millisecond) // accepted by now
	cancel()
	require.NoError(t, silent.SetReadDeadline(time.Now().Add(4*time.Second)))
	_, err = silent.Read(make([]byte, 1))
	require.ErrorContains(t, err, "EOF", "it is closed at once")
	require.NoError(t, <-done)
}
