package push_test

import (
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/egress"
	"github.com/sendoff-dev/sendoff/internal/exec/push"
	"github.com/sendoff-dev/sendoff/task"
)

func anatomy(t *testing.T, o task.Outcome) task.Anatomy {
	t.Helper()
	a, known := o.Answer.Anatomy()
	require.True(t, known, "%+v", o)
	return a
}

// had are the phases that a push had, in their order.
func had(a task.Anatomy) (names string) {
	for p, took := range a.Took {
		if took > 0 {
			names += task.Phase(p).String() + " "
		}
	}
	return strings.TrimSpace(names)
}

func TestAPushTellsHowItWent(t *testing.T) {
	app := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/fails" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		if r.URL.Path != "/silent" {
			io.WriteString(w, "words")
		}
	})
	address := app.Listener.Addr().String()
	p := newPusher(t, push.Config{})
	a := anatomy(t, send(t, p, app.URL+"/fails"))
	require.Equal(t, "connect first_byte body", had(a))
	require.Equal(t, []any{address, false, task.Phases}, []any{a.Address, a.Reused, a.FailedIn})

	a = anatomy(t, send(t, p, app.URL))
	require.Equal(t, "first_byte body", had(a), "the connection was kept")
	require.Equal(t, []any{address, true, task.Phases}, []any{a.Address, a.Reused, a.FailedIn})

	a = anatomy(t, send(t, p, strings.Replace(app.URL+"/fails", "127.0.0.1", "localhost", 1)))
	require.Equal(t, "dns connect first_byte body", had(a))
	require.True(t, send(t, p, app.URL+"/silent").Answer.Empty(), "what says nothing is not kept for this")
}

func TestAPushTellsWhereItFailed(t *testing.T) {
	p := newPusher(t, push.Config{})
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, nobody.Close())
	a := anatomy(t, send(t, p, "http://"+nobody.Addr().String()))
	require.Equal(t, []any{"connect", task.PhaseConnect, nobody.Addr().String()}, []any{had(a), a.FailedIn, a.Address})

	plain := serve(t, func(http.ResponseWriter, *http.Request) {})
	a = anatomy(t, send(t, p, strings.Replace(plain.URL, "http:", "https:", 1)))
	require.Equal(t, []any{"connect tls", task.PhaseTLS}, []any{had(a), a.FailedIn})

	release := make(chan struct{})
	slow := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/begins" {
			io.WriteString(w, "begun")
			http.NewResponseController(w).Flush()
		}
		<-release
	})
	defer close(release)
	spec := &task.Spec{URL: slow.URL, Timeout: 200 * time.Millisecond}
	a = anatomy(t, p.Execute(t.Context(), claimed("{}"), spec))
	require.Equal(t, []any{"connect first_byte", task.PhaseFirstByte}, []any{had(a), a.FailedIn})
	require.Greater(t, a.Took[task.PhaseFirstByte], 100*time.Millisecond)
	spec.URL += "/begins"
	a = anatomy(t, p.Execute(t.Context(), claimed("{}"), spec))
	require.Equal(t, []any{"connect first_byte body", task.PhaseBody}, []any{had(a), a.FailedIn})
}

func TestAPushTellsOfItsHandshake(t *testing.T) {
	app := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "words") }))
	defer app.Close()
	roots := x509.NewCertPool()
	roots.AddCert(app.Certificate())
	d, err := egress.New(egress.Config{AllowLoopback: true, Roots: roots})
	require.NoError(t, err)
	p := push.New(d, push.Config{})
	defer p.Close()
	a := anatomy(t, send(t, p, app.URL))
	require.Equal(t, []any{"connect tls first_byte body", task.Phases}, []any{had(a), a.FailedIn})
}
