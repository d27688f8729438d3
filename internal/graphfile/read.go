package graphfile

import (
	"cmp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sendoff-dev/sendoff/task"
)

// read reads a whole file.
func (r *reader) read(text []byte) *File {
	f := &File{}
	root := r.document(text)
	if root == nil {
		return f
	}
	jobs := (*yaml.Node)(nil)
	known := map[string]field{
		"name":        func(n *yaml.Node) { f.Name = r.plain(n, "name") },
		"goal":        func(n *yaml.Node) { f.GoalName = r.plain(n, "goal") },
		"description": func(n *yaml.Node) { r.plain(n, "description") },
		"inputs":      func(n *yaml.Node) { f.Inputs = r.inputs(n) },
		"env":         func(n *yaml.Node) { f.Env = r.pairs(n, "env") },
		"tries":       func(n *yaml.Node) { f.Tries = r.number(n, "tries", 1) },
		"retry_delay": func(n *yaml.Node) { f.RetryDelay = new(r.span(n, "retry_delay", 0)) },
		"jobs":        func(n *yaml.Node) { jobs = n },
	}
	r.mapping(withoutNotes(root), "the file", known)
	if jobs == nil {
		if r.err() == nil {
			r.wrong(root, "there are no jobs: want jobs: with a job for each name")
		}
		return f
	}
	f.Jobs = r.jobs(jobs)
	r.knownInputs(f)
	return f
}

// withoutNotes leaves the keys out that begin with "x-": they hold what others refer to.
func withoutNotes(n *yaml.Node) *yaml.Node {
	out := *whole(n)
	out.Content = nil
	for i := 0; i+1 < len(whole(n).Content); i += 2 {
		if key := whole(n).Content[i]; !strings.HasPrefix(key.Value, "x-") {
			out.Content = append(out.Content, key, whole(n).Content[i+1])
		}
	}
	if out.Kind != yaml.MappingNode {
		return n
	}
	return &out
}

// jobs reads a mapping of names to jobs, or a list of jobs with names.
func (r *reader) jobs(n *yaml.Node) []Job {
	var out []Job
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			out = append(out, r.job(whole(item), nil))
		}
	} else {
		r.each(n, "jobs", func(key, value *yaml.Node) { out = append(out, r.job(value, key)) })
	}
	if len(out) == 0 && r.err() == nil {
		r.wrong(n, "there are no jobs: want at least one")
	}
	return out
}

// job reads one whose name is a key, or nil for one that has its name inside.
func (r *reader) job(n, key *yaml.Node) Job {
	j := Job{at: r.at(n)}
	what := "a job"
	if key != nil {
		j.at, j.Name = r.at(key), r.text(key, "the name of a job")
		what = jobNamed(key.Value)
	} else if name := valueOf(n, "name"); name != nil {
		j.Name = r.text(name, "the name of a job")
		what = jobNamed(name.Value)
	} else {
		r.wrong(n, "a job has no name: want name:")
	}
	if n.Tag == "!!null" { // "Name:" alone is a group without deps
		return j
	}
	known := r.jobFields(&j, what)
	if key == nil {
		known["name"] = func(*yaml.Node) {}
	}
	r.mapping(n, what, known)
	if j.Run == nil && j.Check == nil && j.Cleanup != nil {
		r.add(j.at, "%s: it has a cleanup and no run: a cleanup is only called when a run began", what)
	}
	return j
}

func (r *reader) jobFields(j *Job, what string) map[string]field {
	return map[string]field{
		"check":       func(n *yaml.Node) { j.Check = r.action(n, what+": check") },
		"run":         func(n *yaml.Node) { j.Run = r.action(n, what+": run") },
		"cleanup":     func(n *yaml.Node) { j.Cleanup = r.action(n, what+": cleanup") },
		"deps":        func(n *yaml.Node) { j.Deps = r.texts(n, what+": deps") },
		"description": func(n *yaml.Node) { r.plain(n, what+": description") },
		"when":        func(n *yaml.Node) { j.When = r.when(n, what+": when") },
		"tries":       func(n *yaml.Node) { j.Tries = r.number(n, what+": tries", 1) },
		"retry_delay": func(n *yaml.Node) { j.RetryDelay = new(r.span(n, what+": retry_delay", 0)) },
		"timeout":     func(n *yaml.Node) { j.Timeout = r.span(n, what+": timeout", 1) },
		"labels":      func(n *yaml.Node) { j.Labels = r.labels(n, what+": labels") },
		"matrix":      func(n *yaml.Node) { j.Matrix = r.matrix(n, what+": matrix") },
	}
}

func jobNamed(name string) string {
	if len(name) > 60 {
		name = name[:57] + "..."
	}
	return "job " + quoted(name)
}

// valueOf is that of a key, nil when there is none.
func valueOf(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return whole(n.Content[i+1])
		}
	}
	return nil
}

// whens are the rules by their names.
var whens = map[string]task.When{"all_ok": task.AllOK, "always": task.Always, "any_failed": task.AnyFailed}

func (r *reader) when(n *yaml.Node, what string) task.When {
	w, ok := whens[n.Value]
	if !ok {
		r.wrong(n, "%s: want all_ok, always or any_failed, have %s", what, shown(n))
	}
	return w
}

func (r *reader) labels(n *yaml.Node, what string) map[string]string {
	out := map[string]string{}
	r.each(n, what, func(key, value *yaml.Node) { out[key.Value] = r.plain(value, what+": "+key.Value) })
	return out
}

// matrix reads the variables of a job that stands for several.
func (r *reader) matrix(n *yaml.Node, what string) []Axis {
	var out []Axis
	r.each(n, what, func(key, value *yaml.Node) {
		a := Axis{Name: key.Value, at: r.at(value)}
		if value.Kind == yaml.ScalarNode {
			a.Input = r.listInput(value, what+": "+key.Value)
		} else {
			r.list(value, what+": "+key.Value, func(item *yaml.Node) { a.Values = append(a.Values, r.plain(item, what+": "+key.Value)) })
		}
		out = append(out, a)
	})
	return out
}

// listInput is the input that ${inputs.NAME}, which is all of a text, names.
func (r *reader) listInput(n *yaml.Node, what string) string {
	t := r.text(n, what)
	if len(t.parts) == 3 && t.parts[1].scope == ofInputs && t.parts[0].fixed+t.parts[2].fixed == "" {
		return t.parts[1].name
	}
	r.wrong(n, "%s: want a list such as [a, b], or ${inputs.NAME} of an input of type list, have %s", what, shown(n))
	return ""
}

// knownInputs checks that what is filled in can be known.
func (r *reader) knownInputs(f *File) {
	var names []string
	for _, in := range f.Inputs {
		names = append(names, in.Name)
	}
	input := func(at position, what, name string) {
		if !slices.Contains(names, name) {
			r.add(at, "%s: no input %q%s", what, name, cmp.Or(nearest(name, names), ": list it under inputs"))
		}
	}
	for i := range f.Env {
		f.Env[i].Value.places(ofInputs, func(name string) { input(f.Env[i].Value.at, "env", name) })
	}
	for i := range f.Jobs {
		j := &f.Jobs[i]
		what, axes := jobNamed(j.Name.Raw), []string(nil)
		for _, a := range j.Matrix {
			axes = append(axes, a.Name)
			if a.Input != "" {
				input(a.at, what+": matrix", a.Input)
			}
		}
		for _, t := range j.texts() {
			t.places(ofInputs, func(name string) { input(t.at, what, name) })
			t.places(ofMatrix, func(name string) {
				if !slices.Contains(axes, name) && !isDep(j, t) {
					r.add(t.at, "%s: its matrix has no %q%s", what, name, nearest(name, axes))
				}
			})
		}
	}
}

// isDep tells whether a text names a dep: it may be one with places of another matrix.
func isDep(j *Job, t *Text) bool {
	return slices.ContainsFunc(j.Deps, func(dep Text) bool { return dep.at == t.at && dep.Raw == t.Raw })
}

// texts are all of a job that have places.
func (j *Job) texts() []*Text {
	out := []*Text{&j.Name}
	for i := range j.Deps {
		out = append(out, &j.Deps[i])
	}
	for _, a := range []*Action{j.Check, j.Run, j.Cleanup} {
		if a != nil {
			out = append(out, a.texts()...)
		}
	}
	return out
}
