package host

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlptrace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/task"
)

// receiver takes traces as an OpenTelemetry Collector does.
type receiver struct {
	url string

	mu    sync.Mutex
	spans map[string]*otlptrace.Span // by id
	about map[string]string          // the resource
	paths []string
}

func receive(t *testing.T) *receiver {
	r := &receiver{spans: map[string]*otlptrace.Span{}, about: map[string]string{}}
	s := httptest.NewServer(http.HandlerFunc(r.take))
	t.Cleanup(s.Close)
	r.url = s.URL
	return r
}

func (r *receiver) take(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if req.Header.Get("Content-Encoding") == "gzip" {
		var packed *gzip.Reader
		if packed, err = gzip.NewReader(bytes.NewReader(body)); err == nil {
			body, err = io.ReadAll(packed)
		}
	}
	var m collector.ExportTraceServiceRequest
	if err != nil || proto.Unmarshal(body, &m) != nil || req.Header.Get("Content-Type") != "application/x-protobuf" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paths = append(r.paths, req.Method+" "+req.URL.Path)
	for _, of := range m.GetResourceSpans() {
		for _, a := range of.GetResource().GetAttributes() {
			r.about[a.GetKey()] = a.GetValue().GetStringValue()
		}
		for _, scope := range of.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				r.spans[hex.EncodeToString(s.GetSpanId())] = s
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// of are the spans of a trace, by what they are of: the task's id, their name and the attempt.
func (r *receiver) of(trace string) map[string]*otlptrace.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := map[string]*otlptrace.Span{}
	for _, s := range r.spans {
		if hex.EncodeToString(s.GetTraceId()) == trace {
			name := s.GetName() + " of " + attribute(s, "sendoff.task.id")
			if n := attribute(s, "sendoff.attempt"); n != "" && s.GetName() == "attempt http" {
				name += " " + n
			} else if n != "" && s.GetName() == "attempt function" {
				name += " " + hex.EncodeToString(s.GetSpanId()) // a run
			}
			found[name] = s
		}
	}
	return found
}

func attribute(s *otlptrace.Span, name string) string {
	for _, a := range s.GetAttributes() {
		if a.GetKey() == name {
			if text := a.GetValue().GetStringValue(); text != "" {
				return text
			}
			return string(rune('0' + a.GetValue().GetIntValue()))
		}
	}
	return ""
}

// traced runs a server that sends its spans to a receiver, and stops it, which sends the rest.
func traced(t *testing.T, url string) (c *sendoff.Client, stop func()) {
	set := Defaults()
	set.Listen.Addr, set.DB.DSN, set.Traces.OTLP = "127.0.0.1:0", filepath.Join(t.TempDir(), "x.db"), url
	s, err := Open(t.Context(), &set, "v1", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	signals, ended := make(chan os.Signal, 1), make(chan error, 1)
	go func() { ended <- s.Run(signals) }()
	c, err = sendoff.NewClient(sendoff.ClientConfig{URL: s.URL()})
	require.NoError(t, err)
	return c, func() {
		signals <- syscall.SIGTERM
		require.NoError(t, <-ended)
		s.Close()
	}
}

const (
	followed = "0af7651916cd43dd8448eb211c80319c"
	above    = "b7ad6b7169203331"
)

// TestATaskIsOneTrace: that of whoever submitted it, from acceptance to the end, and the app
// that is pushed to hears of the attempt's span.
func TestATaskIsOneTrace(t *testing.T) {
	t.Setenv("OTEL_SERVICE_NAME", "mails")
	r := receive(t)
	c, stop := traced(t, r.url)
	var heard []string
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if heard = append(heard, r.Header.Get("Traceparent")); len(heard) == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer app.Close()
	submit := func(id, flags string) {
		body := `{"id":"` + id + `","url":"` + app.URL + `","retry":{"min_backoff":"100ms","max_backoff":"100ms"}}`
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.URL()+"/v1/tasks?wait=20s", bytes.NewReader([]byte(body)))
		require.NoError(t, err)
		req.Header.Set("Traceparent", "00-"+followed+"-"+above+"-"+flags)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Less(t, res.StatusCode, 300)
	}
	submit("mine", "01")
	submit("hidden", "00")
	stop()

	require.Equal(t, "mails", r.about["service.name"])
	require.Equal(t, "v1", r.about["service.version"])
	require.Equal(t, "POST /v1/traces", r.paths[0])
	spans := r.of(followed)
	require.ElementsMatch(t, []string{"accept http of mine", "attempt http of mine 1", "attempt http of mine 2", "task http of mine"}, slices.Collect(maps.Keys(spans)),
		"and none of a trace that whoever began it does not record")
	whole := spans["task http of mine"]
	require.Equal(t, above, hex.EncodeToString(whole.GetParentSpanId()))
	require.Equal(t, "succeeded", attribute(whole, "sendoff.state"))
	for name, s := range spans {
		require.LessOrEqual(t, s.GetStartTimeUnixNano(), s.GetEndTimeUnixNano(), name)
		if s != whole {
			require.Equal(t, whole.GetSpanId(), s.GetParentSpanId(), name)
		}
	}
	failed, done := spans["attempt http of mine 1"], spans["attempt http of mine 2"]
	require.Equal(t, otlptrace.Status_STATUS_CODE_ERROR, failed.GetStatus().GetCode())
	require.Equal(t, "scheduled", attribute(failed, "sendoff.state"))
	require.Equal(t, "success", attribute(done, "sendoff.outcome"))
	require.Equal(t, "answered", done.GetEvents()[0].GetName())
	require.Equal(t, []string{
		"00-" + followed + "-" + hex.EncodeToString(failed.GetSpanId()) + "-01", "00-" + followed + "-" + hex.EncodeToString(done.GetSpanId()) + "-01",
	}, heard[:2])
	require.Regexp(t, "^00-"+followed+"-[0-9a-f]{16}-00$", heard[2])
}

// TestCallsOfAFunctionAreInItsTrace, each below the run that made it.
func TestCallsOfAFunctionAreInItsTrace(t *testing.T) {
	r := receive(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", r.url)
	c, stop := traced(t, "")
	double := sendoff.Func("double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })
	sum := sendoff.Func("sum", func(ctx context.Context, n int) (int, error) {
		doubled, err := double.Gather(ctx, []int{n, n})
		if err != nil {
			return 0, err
		}
		return doubled[0] + doubled[1], nil
	})
	var mu sync.Mutex
	heard := map[string]bool{}
	app := httptest.NewUnstartedServer(nil)
	e, err := sendoff.NewEndpoint(sendoff.EndpointConfig{URL: "http://" + app.Listener.Addr().String(), ServerURL: c.URL(), Development: true}, sum, double)
	require.NoError(t, err)
	app.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := task.ParseTrace(r.Header.Get("Traceparent")); p != (task.Trace{}) {
			mu.Lock()
			heard[hex.EncodeToString(p.Parent[:])] = true
			mu.Unlock()
		}
		e.ServeHTTP(w, r)
	})
	app.Start()
	call, err := sum.Dispatch(t.Context(), 5)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := call.Wait(ctx)
	require.NoError(t, err)
	require.Equal(t, 20, out)
	stop()
	e.Close()
	app.Close()

	root, err := task.ParseID(call.ID)
	require.NoError(t, err)
	spans := r.of(hex.EncodeToString(root[:]))
	whole := spans["task function of "+root.String()]
	require.NotNil(t, whole, "%v", slices.Collect(maps.Keys(spans)))
	require.Empty(t, whole.GetParentSpanId(), "it begins the trace")
	runs, calls := map[string]bool{}, 0
	for _, s := range spans {
		if s.GetName() == "attempt function" {
			runs[string(s.GetSpanId())] = true
			require.True(t, heard[hex.EncodeToString(s.GetSpanId())], "the app has heard of each run")
		}
	}
	for _, s := range spans {
		if s.GetName() == "task function" && s != whole {
			calls++
			require.True(t, runs[string(s.GetParentSpanId())], "it is below a run")
		}
	}
	require.Equal(t, 2, calls)
}

// TestTheSamplerDecidesForAWholeTrace, on every node alike.
func TestTheSamplerDecidesForAWholeTrace(t *testing.T) {
	t.Setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
	t.Setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
	r := receive(t)
	c, stop := traced(t, r.url)
	var kept atomic.Int32
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.Header.Get("Traceparent"), "-01") {
			kept.Add(1)
		}
	}))
	defer app.Close()
	var all []sendoff.NewTask
	for range 60 {
		all = append(all, sendoff.NewTask{URL: app.URL})
	}
	items, err := c.SubmitMany(t.Context(), all, true)
	require.NoError(t, err)
	for _, i := range items {
		_, err := c.Wait(t.Context(), i.Task.ID)
		require.NoError(t, err)
	}
	stop()
	counts := map[string]int{}
	for _, s := range r.spans {
		counts[hex.EncodeToString(s.GetTraceId())]++
	}
	require.NotEmpty(t, counts)
	require.Less(t, len(counts), 60)
	require.Len(t, counts, int(kept.Load()), "apps are told which traces are kept")
	for trace, n := range counts {
		require.Equal(t, 3, n, trace)
	}
}

// TestTracesAreSentWhereTheVariablesSay, and nowhere when they turn them off.
func TestTracesAreSentWhereTheVariablesSay(t *testing.T) {
	for name, tt := range map[string]struct {
		variables map[string]string
		sent      bool
	}{
		"a receiver for all":    {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, true},
		"a receiver of traces":  {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1/x"}, true},
		"none":                  {nil, false},
		"all is off":            {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"}, false},
		"traces are off":        {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"}, false},
		"another protocol":      {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, false},
		"another, but not here": {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			for k, v := range tt.variables {
				t.Setenv(k, v)
			}
			set := Defaults()
			set.Listen.Addr, set.DB.DSN = "127.0.0.1:0", filepath.Join(t.TempDir(), "x.db")
			s, err := Open(t.Context(), &set, "test", slog.New(slog.DiscardHandler))
			require.NoError(t, err)
			defer s.Close()
			require.Equal(t, tt.sent, s.traces != nil)
		})
	}
	set := Defaults()
	set.Traces.OTLP = "127.0.0.1:4318"
	require.ErrorContains(t, set.Check(), "want the URL of a receiver, such as http://127.0.0.1:4318")
}
