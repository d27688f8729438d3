package graph

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/jobgraph"
)

// A run leaves a directory of its own, whose name is its id. What is in it:
const (
	runFile     = "run.json"     // what was run, with what: a recordedRun
	eventsFile  = "events.jsonl" // what happened, as it did
	resultFile  = "result.json"  // the result, as --json prints it; not there before the end
	storageFile = "storage.json" // the shared storage, and cleanups that are left
	logsDir     = "logs"         // what attempts printed
)

// keepRuns is how many runs are kept. Those with cleanups left stay beyond.
const keepRuns = 50

// recordedRun is what was run.
type recordedRun struct {
	ID      string         `json:"id"`
	What    string         `json:"what"` // as the command had it, a file with its whole path
	Goal    string         `json:"goal"`
	Inputs  map[string]any `json:"inputs"`
	Args    []any          `json:"args"`
	Began   time.Time      `json:"began_at"`
	Process int            `json:"pid"`
	Jobs    []recordedJob  `json:"jobs"`
}

// recordedJob is a job, in depth-first post-order from the goal.
type recordedJob struct {
	Name string   `json:"name"`
	Deps []string `json:"deps"`
}

// recordedStorage is what is kept of a run's storages.
type recordedStorage struct {
	Shared map[string]any  `json:"shared"`
	Left   []jobgraph.Left `json:"left"` // attempts whose cleanups were not called, the latest last
}

// record writes what becomes of a run. Nil records nothing, and so does one after its first
// error, which end returns.
type record struct {
	dir     string
	run     recordedRun
	lasting bool
	place   map[string]int
	events  *os.File
	err     error
}

// stateDir is where the runs are.
func stateDir() (string, error) {
	home := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(home) { // as the XDG specification says
		user, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("no place for it: set XDG_STATE_HOME: %w", err)
		}
		home = filepath.Join(user, ".local", "state")
	}
	return filepath.Join(home, "sendoff", "graphs"), nil
}

// newRecord begins the record of a run of what the command had, a file with its whole path.
func newRecord(what string, g *opened, cfg *jobgraph.Config) (*record, error) {
	state, err := stateDir()
	if err != nil {
		return nil, err
	}
	r := &record{lasting: g.Lasting, place: map[string]int{}, run: recordedRun{
		What: what, Goal: g.Goal(), Inputs: cfg.Inputs, Args: cfg.Args, Began: time.Now().UTC(), Process: os.Getpid(),
	}}
	for i, j := range g.Jobs() {
		r.place[j.Name] = i
		r.run.Jobs = append(r.run.Jobs, recordedJob{Name: j.Name, Deps: depsOf(j)})
	}
	if err := r.create(state); err != nil {
		return nil, err
	}
	prune(state)
	return r, nil
}

func depsOf(j *jobgraph.Job) []string {
	deps, listed := []string{}, map[*jobgraph.Job]bool{}
	for _, d := range j.Deps {
		if !listed[d] {
			listed[d] = true
			deps = append(deps, d.Name)
		}
	}
	return deps
}

// create makes the directory, for the user alone.
func (r *record) create(state string) error {
	if err := os.MkdirAll(state, 0o700); err != nil {
		return err
	}
	for try := 0; r.dir == ""; try++ { // two may begin in the same millisecond
		r.run.ID = fmt.Sprintf("%s-%d", r.run.Began.Format("20060102T150405.000"), r.run.Process+try)
		dir := filepath.Join(state, r.run.ID)
		err := os.Mkdir(dir, 0o700)
		if err == nil {
			r.dir = dir
		} else if !errors.Is(err, os.ErrExist) || try == 100 {
			return err
		}
	}
	err := errors.Join(os.Mkdir(filepath.Join(r.dir, logsDir), 0o700), writeJSON(filepath.Join(r.dir, runFile), &r.run))
	if err == nil {
		r.events, err = os.OpenFile(filepath.Join(r.dir, eventsFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	}
	return err
}

// observe writes what happens.
func (r *record) observe(e jobgraph.Event) {
	if r != nil && r.err == nil {
		r.err = printLine(r.events, e)
	}
}

// log is where an attempt prints to.
func (r *record) log(job string, attempt int) io.Writer {
	if r == nil {
		return io.Discard
	}
	return logFile{filepath.Join(r.dir, logsDir, logName(r.place[job], job, attempt))}
}

// logName is a file's name: the place tells jobs apart, the words are for people.
func logName(place int, job string, attempt int) string {
	words := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' {
			return c
		}
		return '_'
	}, job)
	return fmt.Sprintf("%04d-%s-%d.log", place, words[:min(len(words), 60)], attempt)
}

// logFile is opened anew for each write: there may be many, and none has an end.
type logFile struct{ path string }

func (l logFile) Write(b []byte) (int, error) {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return len(b), nil //nolint:nilerr // a job does not fail for want of room for what it prints
	}
	defer f.Close()
	_, _ = f.Write(b)
	return len(b), nil
}

// end writes how the run ended.
func (r *record) end(res *jobgraph.Result) error {
	if r == nil {
		return nil
	}
	s := recordedStorage{Shared: res.Shared().All(), Left: []jobgraph.Left{}}
	if r.lasting {
		for _, a := range res.Left() {
			s.Left = append(s.Left, jobgraph.Left{Job: a.Job.Name, Attempt: a.Number, Local: a.Local})
		}
	} else {
		s.Shared = nil // objects of a program, which is over
	}
	return errors.Join(r.err, r.events.Close(), writeJSON(filepath.Join(r.dir, storageFile), s), writeJSON(filepath.Join(r.dir, resultFile), res))
}

// drop takes the record of a run back that did not begin.
func (r *record) drop() {
	if r != nil {
		_ = r.events.Close()
		_ = os.RemoveAll(r.dir)
	}
}

// prune removes the oldest runs. One that has not ended is left for a week, and one that has
// cleanups left until they were called.
func prune(state string) {
	ids, err := runIDs(state)
	if err != nil {
		return
	}
	for _, id := range ids[min(len(ids), keepRuns):] {
		dir := filepath.Join(state, id)
		var s recordedStorage
		_, ended := os.Stat(filepath.Join(dir, resultFile))
		info, err := os.Stat(dir)
		fresh := err == nil && ended != nil && time.Since(info.ModTime()) < 7*24*time.Hour
		if fresh || readJSON(filepath.Join(dir, storageFile), &s) == nil && len(s.Left) > 0 {
			continue
		}
		_ = os.RemoveAll(dir)
	}
}

// runIDs are those that are kept, the last run first.
func runIDs(state string) ([]string, error) {
	entries, err := os.ReadDir(state)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() {
			ids = append(ids, e.Name())
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return cmp.Compare(b, a) })
	return ids, nil
}

// wholePath is what a command names, with the path of a file made whole.
func wholePath(what string) string {
	file, class, ok := strings.Cut(what, ".py:")
	suffix := ""
	if ok {
		file, suffix = file+".py", ":"+class
	}
	if path, err := filepath.Abs(file); err == nil {
		return path + suffix
	}
	return what
}

// writeJSON writes a file so that it is there whole or not at all.
func writeJSON(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append(b, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}
