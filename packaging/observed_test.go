// Package packaging_test holds what is shipped beside the program against a real server:
// alert rules and dashboards name metrics that it has.
package packaging_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/task"
)

// TestAlertsAndPanelsNameMetricsOfAServer, of one where all that they are about has happened.
func TestAlertsAndPanelsNameMetricsOfAServer(t *testing.T) {
	t.Parallel()
	url := busy(t)
	missing := names(append(alerts(t), panels(t)...))
	require.Contains(t, missing, "sendoff_settled_total")
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		_, text := get(t, url+"/metrics")
		missing = slices.DeleteFunc(missing, func(name string) bool {
			return regexp.MustCompile(`(?m)^` + name + `[{ ]`).MatchString(text)
		})
		require.Empty(c, missing, "no server has these metrics")
	}, 20*time.Second, 20*time.Millisecond)
}

// TestPanelsShowSeries: Prometheus scrapes the server, and answers each expression of the
// dashboard, and each selector of the rules, with a series at least.
func TestPanelsShowSeries(t *testing.T) {
	t.Parallel()
	url := busy(t)
	ask := prometheus(t, url)
	wanted := append(panels(t), selectors(alerts(t))...)
	require.Greater(t, len(wanted), 40)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		wanted = slices.DeleteFunc(wanted, func(expr string) bool { return ask(expr) > 0 })
		require.Empty(c, wanted, "nothing is shown of these")
	}, 30*time.Second, 100*time.Millisecond)
}

// TestAlertRulesFire when what they are for has happened, by promtool.
func TestAlertRulesFire(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), tool(t, "promtool"), "check", "rules", "prometheus/alerts.yml").CombinedOutput() //nolint:gosec // of the machine
	require.NoError(t, err, string(out))
	out, err = exec.CommandContext(t.Context(), tool(t, "promtool"), "test", "rules", "prometheus/alerts_test.yml").CombinedOutput() //nolint:gosec // of the machine
	require.NoError(t, err, string(out))
	tests, err := os.ReadFile("prometheus/alerts_test.yml")
	require.NoError(t, err)
	for name := range rules(t) {
		require.Contains(t, string(tests), `alertname="`+name+`"`, "a rule that no test fires")
		require.Contains(t, string(tests), "alertname: "+name+", exp_alerts: []", "a rule that no test keeps silent")
	}
}

// busy is a server where tasks succeed, fail, are put off and held at limits, schedules fire
// and a worker process runs.
func busy(t *testing.T) string {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"), sqlite.Options{})
	require.NoError(t, err)
	m := engine.NewMetrics()
	e, err := engine.New(db, engine.Config{
		AllowLoopback: true, PushSlots: 16, Metrics: m,
		Processes: &engine.Processes{Commands: map[string]engine.Command{"nothing": {Argv: []string{"true"}}}},
	})
	require.NoError(t, err)
	m.Commit(1, time.Millisecond)
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- e.Run(ctx) }()
	door := httptest.NewServer(e.Handler(engine.HandlerConfig{}))
	t.Cleanup(func() {
		door.Close()
		cancel()
		require.NoError(t, <-over)
		require.NoError(t, db.Close())
	})
	load(t, e)
	return door.URL
}

func load(t *testing.T, e *engine.Engine) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
	}))
	t.Cleanup(app.Close)
	tired := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }))
	t.Cleanup(tired.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	_, err := e.Queues().Set(t.Context(), "narrow", task.QueueSettings{Concurrency: 4, Rate: task.Rate{N: 100, Per: time.Second}})
	require.NoError(t, err)
	require.NoError(t, e.Schedules().Declare(t.Context(), map[string]json.RawMessage{
		"often": json.RawMessage(`{"every":"1s","task":{"url":"` + app.URL + `"}}`),
	}))
	var tasks []engine.Task
	for range 20 {
		tasks = append(tasks, engine.Task{URL: app.URL}, engine.Task{URL: app.URL + "/bad"}, engine.Task{URL: tired.URL}, engine.Task{URL: gone.URL},
			engine.Task{URL: app.URL, Queue: "narrow", Limits: []task.Limit{{Key: "one", Concurrency: 1}}})
	}
	_, err = e.SubmitMany(t.Context(), tasks, true)
	require.NoError(t, err)
}

func get(t *testing.T, address string) (status int, text string) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(b)
}

// rules are the expressions of the alerts, by their names.
func rules(t *testing.T) map[string]string {
	text, err := os.ReadFile("prometheus/alerts.yml")
	require.NoError(t, err)
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	found := map[string]string{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			found[r.Alert] = r.Expr
		}
	}
	require.NotEmpty(t, found)
	return found
}

func alerts(t *testing.T) (exprs []string) {
	for _, expr := range rules(t) {
		exprs = append(exprs, expr)
	}
	return exprs
}

// panels are the expressions of the dashboard, as Grafana sends them.
func panels(t *testing.T) (exprs []string) {
	text, err := os.ReadFile("grafana/sendoff.json")
	require.NoError(t, err)
	var board struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	require.NoError(t, json.Unmarshal(text, &board))
	filled := strings.NewReplacer("$job", "sendoff", "$queue", ".*", "$__rate_interval", "1m")
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			exprs = append(exprs, filled.Replace(target.Expr))
		}
	}
	require.NotEmpty(t, exprs)
	return exprs
}

var selector = regexp.MustCompile(`\b((?:sendoff|process|go)_[a-z_]+)(\{[^}]*\})?`)

func selectors(exprs []string) (found []string) {
	for _, expr := range exprs {
		found = append(found, selector.FindAllString(expr, -1)...)
	}
	return found
}

func names(exprs []string) (found []string) {
	for _, expr := range exprs {
		for _, m := range selector.FindAllStringSubmatch(expr, -1) {
			found = append(found, m[1])
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// tool finds a program of Prometheus, which scripts/setup-prometheus fetches.
func tool(t *testing.T, name string) string {
	if found, err := exec.LookPath(name); err == nil {
		return found
	}
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	found := filepath.Join(cache, "sendoff-test/prometheus/usr/bin", name)
	if _, err := os.Stat(found); err != nil {
		t.Skip("no " + name + ": scripts/setup-prometheus fetches it from Debian")
	}
	return found
}

// prometheus scrapes a server, and answers with how many series an expression has.
func prometheus(t *testing.T, server string) (ask func(expr string) int) {
	rules, err := filepath.Abs("prometheus/alerts.yml")
	require.NoError(t, err)
	return prometheusOf(t, `global: {scrape_interval: 300ms, scrape_timeout: 300ms}
rule_files: ['`+rules+`']
scrape_configs: [{job_name: sendoff, static_configs: [{targets: ['`+strings.TrimPrefix(server, "http://")+`']}]}]
`)
}

// prometheusOf runs one with that file of settings.
func prometheusOf(t *testing.T, settings string) (ask func(expr string) int) {
	t.Helper()
	program, dir := tool(t, "prometheus"), t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(config, []byte(settings), 0o600))
	log, err := os.Create(filepath.Join(dir, "log"))
	require.NoError(t, err)
	free := httptest.NewServer(http.NotFoundHandler())
	address := free.Listener.Addr().String()
	free.Close()
	cmd := exec.CommandContext(t.Context(), program, "--config.file="+config, "--storage.tsdb.path="+dir, "--web.listen-address="+address) //nolint:gosec // of the machine
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = log.Close()
	})
	return func(expr string) int {
		status, text := get(t, "http://"+address+"/api/v1/query?query="+url.QueryEscape(expr))
		if status != http.StatusOK {
			require.NotEqual(t, http.StatusBadRequest, status, expr+"\n"+text)
			return 0
		}
		var answer struct {
			Data struct{ Result []json.RawMessage }
		}
		require.NoError(t, json.Unmarshal([]byte(text), &answer))
		return len(answer.Data.Result)
	}
}
