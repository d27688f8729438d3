package graph

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/jobgraph"
)

// showCmd shows runs that are kept.
type showCmd struct {
	Which string `arg:"" optional:"" name:"run" help:"The id of a run, or a file whose last run it is; default the last run."`
	List  bool   `help:"List the runs that are kept."`
	Log   string `placeholder:"JOB" help:"Print what this job printed, attempt by attempt."`
	JSON  bool   `name:"json" help:"Print the result as one line of JSON."`
}

// keptRun is a run that is kept.
type keptRun struct {
	recordedRun
	dir    string
	result *keptResult // nil = it has not ended
}

// keptResult is the part of a result that is shown.
type keptResult struct {
	Goal     string             `json:"goal"`
	Reached  bool               `json:"reached"`
	Exit     int                `json:"exit"`
	Duration float64            `json:"duration"`
	Jobs     []sendoff.GraphJob `json:"jobs"`
	raw      json.RawMessage
}

// errNoRuns says that nothing has been run yet.
var errNoRuns = errors.New("there is no such run: sendoff graph run FILE makes one, sendoff graph show --list lists them")

// findRun returns a run by its id or by what was run; "" is the last one.
func findRun(which string) (*keptRun, error) {
	state, err := stateDir()
	if err != nil {
		return nil, err
	}
	ids, err := runIDs(state)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for _, id := range ids {
		if which != "" && id == which || which == "" {
			return openRun(filepath.Join(state, id))
		}
		if r, err := openRun(filepath.Join(state, id)); err == nil && r.What == wholePath(which) {
			return r, nil
		}
	}
	return nil, errNoRuns
}

func openRun(dir string) (*keptRun, error) {
	r := &keptRun{dir: dir}
	if err := readJSON(filepath.Join(dir, runFile), &r.recordedRun); err != nil {
		return nil, fmt.Errorf("the record of the run cannot be read: %w", err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, resultFile))
	if errors.Is(err, os.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		r.result = &keptResult{raw: raw}
		err = json.Unmarshal(raw, r.result)
	}
	if err != nil {
		return nil, fmt.Errorf("the result of the run cannot be read: %w", err)
	}
	return r, nil
}

// Run shows it.
func (c *showCmd) Run(t *term.Terminal) error {
	if c.List {
		return listRuns(t)
	}
	r, err := findRun(c.Which)
	if err != nil {
		return err
	}
	switch {
	case c.Log != "":
		return r.printLog(t.Stdout, c.Log)
	case c.JSON && r.result == nil:
		return errors.New("the run has not ended, or was killed: it has no result")
	case c.JSON:
		t.Printf("%s\n", strings.TrimSpace(string(r.result.raw)))
		return nil
	}
	r.print(t)
	return nil
}

func (r *keptRun) print(t *term.Terminal) {
	t.Printf("%s  %s  %s\n", r.ID, term.Clock(r.Began), r.What)
	tally := r.tally()
	tally.print(t)
	if r.result == nil {
		t.Printf("%s: has not ended (process %d), or was killed\n", r.Goal, r.Process)
		return
	}
	t.Printf("%s: %s in %s\n", term.Clean(r.result.Goal), r.end(), term.Short(seconds(r.result.Duration)))
}

// end is how the run ended, in words.
func (r *keptRun) end() string {
	switch {
	case r.result == nil:
		return "not ended"
	case r.result.Exit == jobgraph.ExitCleanup:
		return map[bool]string{true: "reached", false: "not reached"}[r.result.Reached] + ", a cleanup failed"
	case r.result.Reached:
		return "reached"
	}
	return "not reached"
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// tally is where the jobs ended, or where they were when the run was killed.
func (r *keptRun) tally() *tally {
	if r.result == nil {
		return r.unended()
	}
	return tallyOf(r.result.Goal, rowsOf(r.result.Jobs))
}

// unended is made of the events.
func (r *keptRun) unended() *tally {
	rows := make([]*row, len(r.Jobs))
	for i, j := range r.Jobs {
		rows[i] = &row{Name: j.Name, Deps: j.Deps, State: jobgraph.Waiting}
	}
	t := tallyOf(r.Goal, rows)
	f, err := os.Open(filepath.Join(r.dir, eventsFile))
	if err != nil {
		return t
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var e struct {
			Event   jobgraph.EventKind
			Job     string
			Attempt int
			State   jobgraph.State
			How     jobgraph.How
		}
		if json.Unmarshal(lines.Bytes(), &e) == nil {
			t.observe(jobgraph.Event{Kind: e.Event, Job: e.Job, Attempt: e.Attempt, State: e.State, How: e.How, Err: errUnknown, At: r.Began})
		}
	}
	return t
}

// errUnknown stands for an error that is in a record only as a text.
var errUnknown = errors.New("")

// printLog prints what a job printed.
func (r *keptRun) printLog(w io.Writer, job string) error {
	for place, j := range r.Jobs {
		if j.Name != job {
			continue
		}
		for attempt := 1; attempt <= r.attempts(job); attempt++ {
			text, err := os.ReadFile(filepath.Join(r.dir, logsDir, logName(place, job, attempt)))
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			fmt.Fprintf(w, "attempt %d:\n%s", attempt, text)
		}
		return nil
	}
	return term.Usage("--log: no job %q in this run", job)
}

func (r *keptRun) attempts(job string) int { return r.tally().byName[job].Attempts }

func listRuns(t *term.Terminal) error {
	state, err := stateDir()
	if err != nil {
		return err
	}
	ids, err := runIDs(state)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var rows [][]string
	for _, id := range ids {
		r, err := openRun(filepath.Join(state, id))
		if err != nil {
			continue
		}
		rows = append(rows, []string{r.ID, term.Clock(r.Began), r.end(), r.Goal, r.What})
	}
	t.Table([]string{"RUN", "BEGAN", "END", "GOAL", "FILE"}, rows)
	return nil
}
