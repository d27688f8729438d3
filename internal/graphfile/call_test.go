//go:build unix

package graphfile

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/jobgraph"
)

// run runs a text in a directory of its own, one job at a time and without delays.
func run(t *testing.T, text string, inputs map[string]any) (*jobgraph.Result, string) {
	t.Helper()
	return runWith(t.Context(), t, text, inputs, Host{}, jobgraph.Config{})
}

func runWith(ctx context.Context, t *testing.T, text string, inputs map[string]any, h Host, cfg jobgraph.Config) (*jobgraph.Result, string) {
	t.Helper()
	dir := t.TempDir()
	f, err := Parse("f.yaml", dir, []byte(text))
	require.NoError(t, err)
	goal, err := f.Goal(inputs, h)
	require.NoError(t, err)
	if cfg.RetryDelay == nil {
		cfg.RetryDelay = new(time.Duration)
	}
	cfg.Tries = f.Tries
	cfg.Inputs, err = f.Values(inputs)
	require.NoError(t, err)
	res, err := jobgraph.Run(ctx, goal, cfg)
	require.NoError(t, err)
	return res, dir
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return strings.TrimSpace(string(text))
}

func TestACommandGetsItsArgumentsAsTheyAre(t *testing.T) {
	res, dir := run(t, `
inputs: {name: x, n: 2}
env: {ALL: "all ${inputs.n}"}
jobs:
  A:
    run: {command: [sh, -c, 'printf "%s|" "$@" "$ALL" "$OWN" "$SENDOFF_JOB" "$SENDOFF_ATTEMPT" "$SENDOFF_CALL" > out; pwd >> out', x, '${inputs.name}', '$${y}', '${job}-${attempt}'], env: {OWN: "${inputs.name}"}, dir: .}
`, map[string]any{"name": "$(touch pwned); `id` ${inputs.n}"})
	require.True(t, res.Reached, res.Err())
	real, err := filepath.EvalSymlinks(dir)
	require.NoError(t, err)
	require.Equal(t, "$(touch pwned); `id` ${inputs.n}|${y}|A-1|all 2|$(touch pwned); `id` ${inputs.n}|A|1|run|"+real, content(t, filepath.Join(dir, "out")))
	require.NoFileExists(t, filepath.Join(dir, "pwned"))
}

func TestStoragesAndResultsGoInAndOut(t *testing.T) {
	res, dir := run(t, `
inputs: {n: 7}
jobs:
  First:
    check: {shell: 'cp $SENDOFF_IN check.json; test "$SENDOFF_CALL" = recheck && grep -q "\"seen\":true" $SENDOFF_IN || { echo "{\"local\":{\"seen\":true}}" > $SENDOFF_OUT; exit 1; }'}
    run: {shell: 'echo "{\"shared\":{\"day\":\"Friday\",\"gone\":1},\"result\":{\"n\":[1]}}" > $SENDOFF_OUT; exit 3'}
  Second:
    deps: [First]
    run: {command: [sh, -c, 'cp $SENDOFF_IN second.json; echo "$1 $2" > second; echo "{\"shared\":{\"gone\":null}}" > $SENDOFF_OUT', x, '${results.First}', '${shared.day}']}
`, nil)
	require.True(t, res.Reached, res.Err())
	require.Equal(t, `{"n":[1]} Friday`, content(t, filepath.Join(dir, "second")))
	require.Equal(t, map[string]any{"n": []any{1.0}}, res.Job("First").Value)
	require.Equal(t, map[string]any{"day": "Friday"}, res.Shared().All())
	var doc map[string]any
	require.NoError(t, json.Unmarshal([]byte(content(t, filepath.Join(dir, "second.json"))), &doc))
	require.Equal(t, map[string]any{
		"job": "Second", "attempt": 1.0, "call": "run", "inputs": map[string]any{"n": 7.0}, "local": map[string]any{},
		"shared": map[string]any{"day": "Friday", "gone": 1.0}, "results": map[string]any{"First": map[string]any{"n": []any{1.0}}},
	}, doc)
	require.NoError(t, json.Unmarshal([]byte(content(t, filepath.Join(dir, "check.json"))), &doc))
	require.Equal(t, "sh: exit status 3", doc["run_error"])
}

func TestAnAnswerThatIsNoneFailsTheCall(t *testing.T) {
	res, _ := run(t, `
jobs:
  A: {tries: 1, run: {shell: 'echo "{\"shred\": 1}" > $SENDOFF_OUT'}}
`, nil)
	require.ErrorContains(t, res.Job("A").Err, "its answer: json: unknown field \"shred\": want a JSON object with local, shared, result")
}

func TestTheLastLineOfACommandsErrorsIsTheReason(t *testing.T) {
	res, _ := run(t, `
tries: 1
goal: All
jobs:
  All: {deps: [Silent, Loud, Missing], when: always}
  Silent: {check: [sh, -c, exit 4]}
  Loud: {check: {shell: 'echo no; echo first >&2; echo port 80 closed >&2; echo; exit 1'}}
  Missing: {check: [there-is-no-such-command], run: [touch, ran]}
`, nil)
	require.EqualError(t, res.Job("Silent").Err, "sh: exit status 4")
	require.EqualError(t, res.Job("Loud").Err, "port 80 closed")
	require.ErrorContains(t, res.Job("Missing").Err, "there-is-no-such-command: exec:")
	require.Zero(t, res.Job("Missing").Runs, "a check that did not begin cannot tell")
}

func TestACheckMaySayThatItCannotTellOrThatTheJobIsBesideThePoint(t *testing.T) {
	res, dir := run(t, `
tries: 1
goal: All
jobs:
  All: {deps: [Unsure, Beside], when: always}
  Unsure: {check: {shell: 'echo the host is away >&2; exit 75'}, run: [touch, unsure]}
  Beside: {check: {shell: 'echo not on this system >&2; exit 77'}, run: [touch, beside]}
`, nil)
	require.EqualError(t, res.Job("Unsure").Err, "the host is away")
	require.Equal(t, jobgraph.Failed, res.Job("Unsure").State)
	require.Equal(t, jobgraph.Skipped, res.Job("Beside").State)
	require.NoFileExists(t, filepath.Join(dir, "unsure"))
	require.NoFileExists(t, filepath.Join(dir, "beside"))
}

// asleep is a shell command that notes its process, and that of a child, and sleeps. SIGTERM
// is noted by the first and not heard by the second.
const asleep = `trap 'echo told > told; exit 1' TERM; (trap '' TERM; sleep 100) & echo $! > child; echo $$ > own; wait`

func TestATimeoutEndsAllThatACommandStarted(t *testing.T) {
	res, dir := run(t, fmt.Sprintf(`
jobs:
  A: {tries: 1, timeout: 300ms, run: {shell: %q}}
  B: {tries: 1, deps: [A], when: always, run: {shell: "sleep 100", timeout: 0.1}}
`, asleep), nil)
	require.ErrorContains(t, res.Job("A").Err, "timeout of 300ms")
	require.EqualError(t, res.Job("B").Err, "timeout of 100ms")
	require.Equal(t, "told", content(t, filepath.Join(dir, "told")))
	goneSoon(t, filepath.Join(dir, "own"), filepath.Join(dir, "child"))
}

// goneSoon waits until the processes whose numbers files hold have ended.
func goneSoon(t *testing.T, files ...string) {
	t.Helper()
	for _, file := range files {
		var pid int
		_, err := fmt.Sscan(content(t, file), &pid)
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			return syscall.Kill(pid, 0) != nil || err == nil && strings.Contains(string(stat), ") Z ")
		}, 10*time.Second, 5*time.Millisecond, file)
	}
}

func TestACanceledRunEndsItsCommandsAndStillCleansUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	began := make(chan string, 1)
	cfg := jobgraph.Config{Output: func(string, int) io.Writer { return heard(began) }}
	go func() {
		<-began
		cancel()
	}()
	res, dir := runWith(ctx, t, fmt.Sprintf(`
jobs:
  A: {run: {shell: %q}, cleanup: [touch, cleaned]}
`, strings.Replace(asleep, "; wait", "; echo began; wait", 1)), nil, Host{}, cfg)
	require.Equal(t, jobgraph.Canceled, res.Job("A").State)
	require.FileExists(t, filepath.Join(dir, "cleaned"))
	goneSoon(t, filepath.Join(dir, "own"), filepath.Join(dir, "child"))
}

// heard passes what is written on, the first time.
type heard chan string

func (h heard) Write(b []byte) (int, error) {
	select {
	case h <- string(b):
	default:
	}
	return len(b), nil
}

func TestKillEndsAllCommandsAtOnce(t *testing.T) {
	groups, began := &Groups{}, make(chan string, 1)
	go func() {
		<-began
		groups.Kill()
	}()
	res, dir := runWith(t.Context(), t, fmt.Sprintf("jobs:\n  A: {tries: 1, run: {shell: %q}}\n", strings.Replace(asleep, "; wait", "; echo began; wait", 1)),
		nil, Host{Groups: groups}, jobgraph.Config{Output: func(string, int) io.Writer { return heard(began) }})
	require.EqualError(t, res.Job("A").Err, "sh: signal: killed")
	require.NoFileExists(t, filepath.Join(dir, "told"))
	goneSoon(t, filepath.Join(dir, "own"), filepath.Join(dir, "child"))
}

// TestKillMissesNoCommandThatHasStarted: none starts while the running ones are looked at,
// and one that has started, as it tells itself, is among them.
func TestKillMissesNoCommandThatHasStarted(t *testing.T) {
	groups, began, ended := &Groups{}, make(chan string, 1), make(chan error, 1)
	cmd := exec.Command("sh", "-c", "echo began; exec sleep 20")
	cmd.Stdout = heard(began)
	groups.mu.Lock()
	go func() { ended <- groups.run(t.Context(), cmd) }()
	select {
	case <-began:
		require.Fail(t, "a command started that Kill does not know")
	case <-time.After(100 * time.Millisecond):
	}
	groups.mu.Unlock()
	<-began
	groups.Kill()
	require.EqualError(t, <-ended, "signal: killed")
	require.Empty(t, groups.running)
}

// server notes the requests that it gets, and answers with the status that the path names.
type server struct {
	mu   sync.Mutex
	seen []string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.seen = append(s.seen, fmt.Sprintf("%s %s %s %s", r.Method, r.URL.Path, r.Header.Get("X-Name"), body))
	s.mu.Unlock()
	var status int
	if _, err := fmt.Sscanf(r.URL.Path, "/%d", &status); err == nil {
		w.WriteHeader(status)
		return
	}
	fmt.Fprint(w, `{"shared": {"token": "abc"}, "result": 5}`)
}

func TestARequestIsJudgedByItsStatus(t *testing.T) {
	s := &server{}
	web := httptest.NewServer(s)
	defer web.Close()
	res, _ := run(t, `
tries: 1
inputs: {url: {required: true}, q: 'a"b'}
goal: All
jobs:
  All: {deps: [Plain, Other, Moved, Unsure, Beside, Away, Login, Use], when: always}
  Plain: {check: {http: "${inputs.url}/204"}}
  Other: {check: {http: {url: "${inputs.url}/404", status: [200, 4xx]}}}
  Moved: {check: {http: {url: "${inputs.url}/301"}}}
  Unsure: {check: {http: {url: "${inputs.url}/503", cannot_tell: [5xx]}}, run: ["false"]}
  Beside: {check: {http: {url: "${inputs.url}/410", skip: 410}}}
  Away: {check: {http: {url: "http://127.0.0.1:1/", cannot_tell: unreachable}}, run: ["false"]}
  Login: {run: {http: {url: "${inputs.url}/login", json: {q: ["${inputs.q}", 1]}, headers: {X-Name: "${job}"}}}}
  Use: {deps: [Login], run: {http: {method: put, url: "${inputs.url}/use", body: "${shared.token} ${results.Login}"}}}
`, map[string]any{"url": web.URL})
	for name, want := range map[string]jobgraph.State{
		"Plain": jobgraph.Succeeded, "Other": jobgraph.Succeeded, "Moved": jobgraph.Failed, "Unsure": jobgraph.Failed, "Beside": jobgraph.Skipped,
		"Away": jobgraph.Failed, "Login": jobgraph.Succeeded, "Use": jobgraph.Succeeded,
	} {
		require.Equal(t, want, res.Job(name).State, "%s: %v", name, res.Job(name).Err)
	}
	require.EqualError(t, res.Job("Moved").Err, "GET "+web.URL+"/301: 301 Moved Permanently, want 2xx")
	require.Zero(t, res.Job("Unsure").Runs)
	require.Zero(t, res.Job("Away").Runs)
	require.Equal(t, []string{
		"GET /204  ", "GET /404  ", "GET /301  ", "GET /503  ", "GET /410  ", `POST /login Login {"q":["a\"b",1]}`, "PUT /use  abc 5",
	}, s.seen)
}

func TestARequestWithoutABodyOfItsOwnCarriesTheCall(t *testing.T) {
	s := &server{}
	web := httptest.NewServer(s)
	defer web.Close()
	res, _ := run(t, "jobs:\n  A: {run: {http: '"+web.URL+"/go'}}\n", nil)
	require.True(t, res.Reached, res.Err())
	require.Equal(t, []string{`POST /go  {"job":"A","attempt":1,"call":"run","inputs":{},"local":{},"shared":{},"results":{}}`}, s.seen)
}

func TestAMatrixMakesAJobOfEachCombination(t *testing.T) {
	res, dir := run(t, `
inputs: {guests: [Ada, Grace Hopper]}
jobs:
  All: {deps: ["Invite ${matrix.guest}", "Build"]}
  "Invite ${matrix.guest}":
    matrix: {guest: "${inputs.guests}"}
    deps: ["Write ${matrix.guest}"]
    run: [touch, "${matrix.guest}"]
  "Write ${matrix.guest}":
    matrix: {guest: "${inputs.guests}"}
    run: ["true"]
  Build:
    matrix: {os: [linux, darwin], bits: [32, 64]}
    run: [touch, "${matrix.os}${matrix.bits}"]
`, map[string]any{"guests": "Ada, Bob,"})
	require.True(t, res.Reached, res.Err())
	var names []string
	for _, j := range res.Jobs {
		names = append(names, j.Name)
	}
	require.Equal(t, []string{
		"Write Ada", "Invite Ada", "Write Bob", "Invite Bob", "Build [linux, 32]", "Build [linux, 64]", "Build [darwin, 32]", "Build [darwin, 64]", "All",
	}, names)
	require.Equal(t, []string{"Write Bob"}, res.Job("Invite Bob").Deps)
	require.FileExists(t, filepath.Join(dir, "Bob"))
	require.FileExists(t, filepath.Join(dir, "darwin32"))
}

func TestATaskIsLeftToTheHost(t *testing.T) {
	host := Host{Task: func(_ context.Context, k *TaskCall, log io.Writer) (json.RawMessage, error) {
		fmt.Fprintln(log, "printed")
		name := k.Process + k.Function + k.Endpoint + k.Handler
		return json.RawMessage(fmt.Sprintf(`{"shared": {%q: %q}}`, k.Job, name+" "+string(k.Payload))), nil
	}}
	res, _ := runWith(t.Context(), t, `
inputs: {n: 3}
jobs:
  A: {deps: [B, C], run: {process: jobs.thumbnail, args: ["${inputs.n}", "a${inputs.n}"], kwargs: {deep: [{x: "${job}"}]}}}
  B: {run: {function: charge, endpoint: "http://app:${inputs.n}", input: {n: "${inputs.n}"}}}
  C: {deps: [B], run: {handler: reindex}}
`, nil, host, jobgraph.Config{})
	require.True(t, res.Reached, res.Err())
	shared := res.Shared().All()
	require.Equal(t, `jobs.thumbnail {"args":[3,"a3"],"kwargs":{"deep":[{"x":"A"}]}}`, shared["A"])
	require.Equal(t, `chargehttp://app:3 {"n":3}`, shared["B"])
	require.Contains(t, shared["C"], `reindex {"job":"C","attempt":1,"call":"run","inputs":{"n":3}`, "the document is its input")
}

func TestAHostWithoutAServerCallsProcessesOnly(t *testing.T) {
	f, err := Parse("f.yaml", "/", []byte(`
jobs:
  A: {run: {handler: a}, deps: [B, C]}
  B: {check: {function: b, endpoint: "http://app"}}
  C: {run: {process: c.d}}
`))
	require.NoError(t, err)
	_, err = f.Goal(nil, Host{Task: neverCalled, NoServer: true})
	require.EqualError(t, err, "f.yaml:3: job \"A\": functions and handlers are called by a server: run it with sendoff graph run --server\n"+
		"f.yaml:4: job \"B\": functions and handlers are called by a server: run it with sendoff graph run --server")
}

func TestAHostMayRefusePrograms(t *testing.T) {
	f, err := Parse("f.yaml", "/", []byte(`
inputs: {tool: make}
jobs:
  A: {run: ["${inputs.tool}"], deps: [B, C, D]}
  B: {run: {shell: exit}}
  C: {run: [cp]}
  D: {run: ["${shared.x}"]}
`))
	require.NoError(t, err)
	_, err = f.Goal(nil, Host{Allow: func(program string) error {
		if program == "cp" {
			return nil
		}
		return fmt.Errorf("%s is not allowed here", program)
	}})
	require.EqualError(t, err, "f.yaml:4: job \"A\": make is not allowed here\n"+
		"f.yaml:5: job \"B\": sh is not allowed here\nf.yaml:7: job \"D\": ${shared.x} is not allowed here")
}

func TestInputsHaveTypes(t *testing.T) {
	f, err := Parse("f.yaml", "/", []byte(`
inputs: {s: , n: 1, b: false, l: [a], one: {default: a, one_of: [a, b]}, r: {required: true, type: number}}
jobs: {A: {}}
`))
	require.NoError(t, err)
	v, err := f.Values(map[string]any{"n": "1.5", "b": "true", "l": `["x,y", 2]`, "r": 3})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"s": "", "n": 1.5, "b": true, "l": []any{"x,y", "2"}, "one": "a", "r": 3.0}, v)
	for given, want := range map[string]string{
		"n=x":     `f.yaml:2: input "n": "x": want a number`,
		"n=NaN":   `f.yaml:2: input "n": "NaN": want a number`,
		"b=yes":   `f.yaml:2: input "b": "yes": want true or false`,
		"l=[1":    `f.yaml:2: input "l": "[1": want a JSON list of texts, or texts with commas between them`,
		"one=c":   `f.yaml:2: input "one": "c": want a, b`,
		"s=\x00":  `f.yaml:2: input "s": it has a zero byte: want a text without`,
		"other=1": `f.yaml: no input "other": want s, n, b, l, one, r`,
	} {
		name, value, _ := strings.Cut(given, "=")
		_, err := f.Values(map[string]any{"r": "1", name: value})
		require.EqualError(t, err, want)
	}
	_, err = f.Values(nil)
	require.EqualError(t, err, `f.yaml:2: input "r" is required: give it with --input r=VALUE`)
}
