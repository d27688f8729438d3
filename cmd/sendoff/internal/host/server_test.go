package host

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
)

func TestASecondSignalDoesNotWaitForWhatIsUnderWay(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(started)
		<-release
	}))
	defer app.Close()
	defer close(release)
	set := Defaults()
	set.Listen.Addr, set.DB.DSN = "127.0.0.1:0", filepath.Join(t.TempDir(), "x.db")
	s, err := Open(t.Context(), &set, "test", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer s.Close()
	s.grace = time.Hour
	signals, ended := make(chan os.Signal, 3), make(chan error, 1)
	go func() { ended <- s.Run(signals) }()
	client, err := sendoff.NewClient(sendoff.ClientConfig{URL: s.URL()})
	require.NoError(t, err)
	_, err = client.Submit(t.Context(), sendoff.NewTask{URL: app.URL})
	require.NoError(t, err)
	<-started
	signals <- syscall.SIGTERM
	signals <- syscall.SIGTERM
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(10 * time.Second):
		t.Fatal("it still waits")
	}
}
