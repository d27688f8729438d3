package host

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSystemdIsToldWhatBecomesOfTheServer(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no systemd")
	}
	dir := t.TempDir()
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: filepath.Join(dir, "n")})
	require.NoError(t, err)
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", filepath.Join(dir, "n"))
	t.Setenv("WATCHDOG_USEC", "60000")
	told := func() string {
		b := make([]byte, 100)
		require.NoError(t, socket.SetReadDeadline(time.Now().Add(10*time.Second)))
		n, err := socket.Read(b)
		require.NoError(t, err)
		return string(b[:n])
	}
	set := Defaults()
	set.Listen.Addr, set.DB.DSN = "127.0.0.1:0", filepath.Join(dir, "x.db")
	s, err := Open(t.Context(), &set, "test", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer s.Close()
	signals, ended := make(chan os.Signal, 3), make(chan error, 1)
	go func() { ended <- s.Run(signals) }()
	require.Equal(t, "READY=1", told())
	require.NoError(t, s.Engine.Ready(t.Context()))
	for range 3 {
		require.Equal(t, "WATCHDOG=1", told())
	}
	signals <- syscall.SIGTERM
	for {
		if what := told(); what != "WATCHDOG=1" {
			require.Equal(t, "STOPPING=1", what)
			break
		}
	}
	require.NoError(t, <-ended)
}
