package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/host"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// sendoffCmd runs the program in this process.
func sendoffCmd(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestExitCodesTellWrongUsageFromErrors(t *testing.T) {
	t.Setenv("SENDOFF_URL", "http://127.0.0.1:1")
	for _, tt := range []struct {
		args string
		code int
		says string
	}{
		{"", 0, ""},
		{"tasks list --help", 0, ""},
		{"version", 0, ""},
		{"dance", 2, "see: sendoff --help"},
		{"tasks get", 2, "see: sendoff tasks get --help"},
		{"tasks list --state asleep", 2, "--state"},
		{"tasks list --limit -1", 2, "--limit"},
		{"enqueue", 2, "give a URL, or --handler NAME"},
		{"enqueue http://x --header nonsense", 2, "NAME: VALUE"},
		{"enqueue http://x --payload {", 2, "is not JSON"},
		{"enqueue http://x --payload @/no/such/file", 1, "/no/such/file"},
		{"enqueue http://x --wait=-1s", 2, "want a duration"},
		{"queues purge q", 2, "--yes"},
		{"migrate --db x.db", 2, "sendoff serve itself"},
		{"migrate --db postgres://127.0.0.1:1/x", 1, "connect"},
		{"doctor --db mysql://u:hush@h/d", 2, "want a file path or a postgres:// URL"},
		{"doctor --db /no/such/file.db", 1, "cannot be looked at"},
		{"tasks list --url nonsense", 2, "server URL"},
		{"tasks list", 1, "is the server running? start it with: sendoff serve"},
		{"serve --listen 0.0.0.0:0", 2, "set SENDOFF_API_KEYS"},
		{"serve --listen :0", 2, "set SENDOFF_API_KEYS"},
		{"serve --listen 127.0.0.1", 2, "want HOST:PORT"},
		{"serve --db mysql://u:hush@h/d", 2, "want a file path or a postgres:// URL"},
		{"serve --unsigned --keys-file x", 2, "exclude each other"},
		{"serve --listen 127.0.0.1:0 --db /no/such/dir/x.db", 1, "/no/such/dir/x.db"},
		{"serve --config /no/such/file", 2, "--config: open /no/such/file"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			code, out, errs := sendoffCmd(t, strings.Fields(tt.args)...)
			require.Equal(t, tt.code, code, errs)
			require.Contains(t, errs, tt.says)
			require.NotContains(t, out+errs, "hush")
			require.Equal(t, code == 0, errs == "")
		})
	}
}

func TestAFlagWinsOverTheEnvironmentAndThatOverTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sendoff.yaml")
	require.NoError(t, os.WriteFile(file, []byte("push_slots: 10\nallow-egress: [10.0.0.0/8, app.internal]\n"), 0o600))
	line := func(name string, args ...string) string {
		code, out, errs := sendoffCmd(t, append([]string{"config"}, args...)...)
		require.Zero(t, code, errs)
		for l := range strings.Lines(out) {
			if f := strings.Fields(l); f[0] == name {
				return strings.Join(f[1:], " ")
			}
		}
		return ""
	}
	require.Equal(t, "256 default", line("push-slots"))
	require.Equal(t, "10 file "+file, line("push-slots", "--config", file))
	require.Equal(t, "10.0.0.0/8,app.internal file "+file, line("allow-egress", "--config", file))
	t.Setenv("SENDOFF_PUSH_SLOTS", "20")
	require.Equal(t, "20 env SENDOFF_PUSH_SLOTS", line("push-slots", "--config", file))
	require.Equal(t, "30 flag", line("push-slots", "--config", file, "--push-slots", "30"))
	t.Setenv("SENDOFF_API_KEYS", "hush,quiet")
	require.Equal(t, "(2, not shown) env SENDOFF_API_KEYS", line("api-keys"))
	t.Setenv("SENDOFF_CONFIG", file)
	require.Equal(t, "10.0.0.0/8,app.internal file "+file, line("allow-egress"))

	require.NoError(t, os.WriteFile(file, []byte("push_slot: 10\n"), 0o600))
	code, _, errs := sendoffCmd(t, "config")
	require.Equal(t, term.ExitUsage, code)
	require.Contains(t, errs, `unknown setting "push_slot": want one of`)
	for text, says := range map[string]string{
		"push_slots: 10\n---\npush_slots: 20\n": "has a second document",
		"push_slots: 10\npush-slots: 20\n":      "is given twice",
	} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		code, _, errs := sendoffCmd(t, "config")
		require.Equal(t, term.ExitUsage, code)
		require.Contains(t, errs, says)
	}
}

// serveOn runs serve in this process on a free port, and returns its URL.
func serveOn(t *testing.T, db string) *host.Server {
	t.Helper()
	s := host.Defaults()
	s.Listen.Addr, s.DB.DSN, s.Node.Grace = "127.0.0.1:0", db, 2*time.Second
	v, err := host.Open(t.Context(), &s, "test", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return v
}

func TestATaskIsEnqueuedDeliveredAndShown(t *testing.T) {
	calls := 0
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls++; r.URL.Path == "/flaky" && calls <= 2 {
			w.WriteHeader(http.StatusInternalServerError)
		} else if r.URL.Path == "/wrong" {
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
		fmt.Fprint(w, "\x1b[31mred")
	}))
	defer app.Close()
	s := serveOn(t, filepath.Join(t.TempDir(), "x.db"))
	defer s.Close()
	signals, ended := make(chan os.Signal, 3), make(chan error, 1)
	go func() { ended <- s.Run(signals) }()
	t.Setenv("SENDOFF_URL", s.URL())

	code, out, errs := sendoffCmd(t, "enqueue", app.URL+"/flaky", "--id", "flaky", "--min-backoff", "100ms", "--payload", `{"a":1}`, "--wait=20s")
	require.Zero(t, code, errs)
	require.Equal(t, "flaky  succeeded\n", out)
	_, out, _ = sendoffCmd(t, "tasks", "get", "flaky")
	require.Contains(t, out, `{"a":1}`)
	require.Equal(t, 2, strings.Count(out, " failure  500 "))
	require.Equal(t, 1, strings.Count(out, " success  200 "))
	require.NotContains(t, out, "\x1b", "what an app answers must not steer the terminal")

	code, out, errs = sendoffCmd(t, "enqueue", app.URL+"/wrong", "--id", "wrong", "--wait")
	require.Equal(t, term.ExitFailed, code)
	require.Contains(t, out, "wrong  failed (rejected)")
	require.Empty(t, errs)
	_, out, _ = sendoffCmd(t, "tasks", "attempts", "wrong", "--json")
	require.Equal(t, 1, strings.Count(out, `"outcome":"reject"`))

	code, out, errs = sendoffCmd(t, "tasks", "delete", "wrong", "none", "flaky")
	require.Equal(t, term.ExitError, code)
	require.Equal(t, "wrong  deleted\nflaky  deleted\n", out)
	require.Contains(t, errs, `sendoff: task "none": not found`)

	signals <- syscall.SIGTERM
	require.NoError(t, <-ended)
}

func TestTheDemoEndsAsItShould(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	code, out, errs := sendoffCmd(t, "demo", "--once")
	require.Zero(t, code, errs)
	require.Empty(t, errs)
	require.Contains(t, out, "succeeded, 3 attempts")
	require.Contains(t, out, "failed (exhausted), 3 attempts")
	require.Contains(t, out, "10 submissions, 1 task")
	require.NotContains(t, out, "\x1b")
}

func TestAPausedEndpointSaysForHowMuchLonger(t *testing.T) {
	require.Equal(t, "paused for another 3.6s", pausedText(3600*time.Millisecond))
	require.Equal(t, "paused, tried again now", pausedText(-time.Millisecond))
}
