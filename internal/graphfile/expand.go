package graphfile

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sendoff-dev/sendoff/jobgraph"
)

// MaxJobs is how many jobs a matrix may make.
const MaxJobs = 100_000

// MaxDeps is how many deps the jobs may have together, those counted that matrices make.
const MaxDeps = 1_000_000

// Goal makes the jobs for a run with these inputs, see [File.Values], and returns the
// goal with all that it stands on.
func (f *File) Goal(given map[string]any, h Host) (*jobgraph.Job, error) {
	inputs, err := f.Values(given)
	if err != nil {
		return nil, err
	}
	x := &expansion{File: f, host: h, inputs: inputs, byName: map[string]*made{}, of: map[string][]*made{}}
	for i := range f.Jobs {
		x.expand(&f.Jobs[i])
	}
	if err := x.err(); err != nil {
		return nil, err
	}
	for _, m := range x.all {
		x.link(m)
	}
	x.cycle()
	if err := x.err(); err != nil {
		return nil, err
	}
	return x.goal()
}

// expansion makes jobs of a file with inputs.
type expansion struct {
	*File
	problems
	host   Host
	inputs map[string]any
	all    []*made
	byName map[string]*made
	of     map[string][]*made // by the name as it is written
	deps   int                // of all jobs
}

// made is a job of a graph, with what it was made of.
type made struct {
	*jobgraph.Job
	spec   *Job
	matrix map[string]string
	deps   []*made
}

// expand makes the jobs that one in the file stands for.
func (x *expansion) expand(j *Job) {
	x.of[j.Name.Raw] = []*made{}
	for _, row := range x.rows(j) {
		m := &made{spec: j, matrix: row}
		name := x.name(j, row)
		if first, taken := x.byName[name]; taken {
			x.add(j.at, "two jobs are named %q, the first in line %d: want a name of its own for each", name, first.spec.at.line)
			return
		}
		m.Job = &jobgraph.Job{
			Name: name, When: j.When, Tries: j.Tries, RetryDelay: j.RetryDelay, Timeout: j.Timeout, Labels: j.Labels,
			Check: x.bind(j.Check, m), Run: x.bind(j.Run, m), Cleanup: x.bind(j.Cleanup, m),
		}
		if name == "" || len(name) > 200 {
			x.add(j.at, "the name of a job has %d bytes: want 1 to 200", len(name))
		}
		x.all, x.byName[name] = append(x.all, m), m
		x.of[j.Name.Raw] = append(x.of[j.Name.Raw], m)
	}
}

// bind returns what a call does, nil for none.
func (x *expansion) bind(a *Action, m *made) jobgraph.Func {
	if a == nil {
		return nil
	}
	if k := a.Task; k != nil && x.host.Task == nil {
		x.add(m.spec.at, "%s: tasks are not run here: want a command or http", jobNamed(m.spec.Name.Raw))
	} else if k != nil && k.Process == "" && x.host.NoServer {
		x.add(m.spec.at, "%s: functions and handlers are called by a server: run it with sendoff graph run --server", jobNamed(m.spec.Name.Raw))
	}
	if a.Command != nil && x.host.Allow != nil {
		if err := x.host.Allow(a.Command.program(x.known(m.matrix))); err != nil {
			x.add(m.spec.at, "%s: %v", jobNamed(m.spec.Name.Raw), err)
		}
	}
	b := &binding{Action: a, file: x.File, host: x.host, inputs: x.inputs, made: m}
	return b.call
}

// rows are the combinations of a job's matrix, the last variable changing first. A job
// without one has one row.
func (x *expansion) rows(j *Job) []map[string]string {
	rows := []map[string]string{nil}
	for _, a := range j.Matrix {
		var next []map[string]string
		values := a.Values
		if a.Input != "" {
			values = x.listOf(a)
		}
		if len(rows)*len(values)+len(x.all) > MaxJobs {
			x.add(a.at, "%s: matrix: more than %d jobs", jobNamed(j.Name.Raw), MaxJobs)
			return nil
		}
		for _, row := range rows {
			for _, v := range values {
				wider := map[string]string{a.Name: v}
				maps.Copy(wider, row)
				next = append(next, wider)
			}
		}
		rows = next
	}
	return rows
}

func (x *expansion) listOf(a Axis) []string {
	list, ok := x.inputs[a.Input].([]any)
	if !ok {
		x.add(a.at, "matrix: input %q is no list: want type: list", a.Input)
	}
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = inText(v)
	}
	return out
}

// name is that of a job in a row of its matrix: with the variables where it has places
// for them, or with all values after it.
func (x *expansion) name(j *Job, row map[string]string) string {
	t := j.Name.fill(x.known(row))
	name, err := t.String(x.known(row))
	if err != nil {
		x.add(j.Name.at, "%s: its name is needed before anything is called: want ${inputs.NAME} or ${matrix.NAME}", jobNamed(j.Name.Raw))
		return j.Name.Raw
	}
	if len(row) == 0 || strings.Contains(j.Name.Raw, "${matrix.") {
		return name
	}
	values := make([]string, len(j.Matrix))
	for i, a := range j.Matrix {
		values[i] = row[a.Name]
	}
	return fmt.Sprintf("%s [%s]", name, strings.Join(values, ", "))
}

// known are the values that do not depend on a call.
func (x *expansion) known(row map[string]string) values { return known(x.inputs, row) }

func known(inputs map[string]any, row map[string]string) values {
	return func(of scope, name string) (any, bool) {
		switch of {
		case ofInputs:
			v, ok := inputs[name]
			return v, ok
		case ofMatrix:
			v, ok := row[name]
			return v, ok
		}
		return nil, false
	}
}

// link finds the deps of a job.
func (x *expansion) link(m *made) {
	what := jobNamed(m.Name)
	for _, dep := range m.spec.Deps {
		found := x.named(dep, m.matrix)
		if found == nil && x.full() {
			x.more++
		} else if found == nil {
			x.add(dep.at, "%s: deps: no job %q%s", what, dep.Raw, nearest(dep.Raw, x.names()))
		}
		if x.deps += len(found); x.deps > MaxDeps {
			if x.deps-len(found) <= MaxDeps {
				x.add(dep.at, "%s: deps: with it the jobs have more than %d deps: put a job without a run between", what, MaxDeps)
			}
			return
		}
		for _, d := range found {
			if d == m {
				x.add(dep.at, "%s: deps: it needs itself: leave it out", what)
				continue
			}
			m.deps, m.Deps = append(m.deps, d), append(m.Deps, d.Job)
		}
	}
	for _, a := range []*Action{m.spec.Check, m.spec.Run, m.spec.Cleanup} {
		if a == nil {
			continue
		}
		for _, t := range a.texts() {
			t.places(ofResults, func(name string) {
				if d := x.byName[name]; d == nil || !slices.Contains(m.deps, d) {
					x.add(t.at, "%s: ${results.%s}: it does not depend on a job of this name: add it to deps", what, name)
				}
			})
		}
	}
}

// named are the jobs that a dep stands for: the one of that name in this row of the matrix,
// or all that were made of what is written so. nil is none.
func (x *expansion) named(dep Text, row map[string]string) []*made {
	if name, err := dep.String(x.known(row)); err == nil {
		if m := x.byName[name]; m != nil {
			return []*made{m}
		}
	}
	return x.of[dep.Raw]
}

func (x *expansion) names() []string {
	names := make([]string, len(x.all))
	for i, m := range x.all {
		names[i] = m.Name
	}
	return names
}

// cycle finds jobs that wait for each other, also where no goal needs them.
func (x *expansion) cycle() {
	const entered, left = 1, 2
	mark := map[*made]int{}
	type visit struct {
		*made
		next int
	}
	for _, root := range x.all {
		if mark[root] != 0 {
			continue
		}
		mark[root] = entered
		for path := []*visit{{made: root}}; len(path) > 0; {
			v := path[len(path)-1]
			if v.next == len(v.deps) {
				mark[v.made], path = left, path[:len(path)-1]
				continue
			}
			dep := v.deps[v.next]
			v.next++
			switch mark[dep] {
			case 0:
				mark[dep] = entered
				path = append(path, &visit{made: dep})
			case entered:
				at := slices.IndexFunc(path, func(v *visit) bool { return v.made == dep })
				names := []string{}
				for _, v := range path[at:] {
					names = append(names, v.Name)
				}
				if len(names) > 20 {
					names = slices.Concat(names[:10], []string{fmt.Sprintf("... %d more ...", len(names)-19)}, names[len(names)-9:])
				}
				x.add(dep.spec.at, "a cycle: %s -> %s: take one of these deps away", strings.Join(names, " -> "), dep.Name)
				return
			}
		}
	}
}

// goal is the job that the file names, or the only one that no other needs.
func (x *expansion) goal() (*jobgraph.Job, error) {
	if x.GoalName != "" {
		if m := x.byName[x.GoalName]; m != nil {
			return m.Job, nil
		}
		x.add(position{file: x.Path}, "goal: no job %q%s", x.GoalName, nearest(x.GoalName, x.names()))
		return nil, x.err()
	}
	needed := map[*made]bool{}
	for _, m := range x.all {
		for _, dep := range m.deps {
			needed[dep] = true
		}
	}
	tops := slices.DeleteFunc(slices.Clone(x.all), func(m *made) bool { return needed[m] })
	if len(tops) == 1 {
		return tops[0].Job, nil
	}
	var names []string
	for _, m := range tops[:min(len(tops), 5)] {
		names = append(names, fmt.Sprintf("%q", m.Name))
	}
	x.add(position{file: x.Path}, "%d jobs are needed by no other (%s%s): name the one to reach with goal:",
		len(tops), strings.Join(names, ", "), map[bool]string{true: ", ..."}[len(tops) > 5])
	return nil, x.err()
}
