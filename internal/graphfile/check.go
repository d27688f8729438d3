package graphfile

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/sendoff-dev/sendoff/task"
)

// Check refuses a definition, JSON or YAML, that no run could be made of. The error is a
// [task.Invalid] with a fault for each mistake, which names the job and what would be
// right. Where an input is required, what depends on inputs is left to the run.
func Check(definition []byte) error {
	f, err := Parse("definition", ".", definition)
	if err == nil && !slices.ContainsFunc(f.Inputs, func(in Input) bool { return in.Required }) {
		_, err = f.Goal(nil, Host{Task: neverCalled})
	}
	if err == nil {
		return nil
	}
	return Faults(err)
}

// Faults are the mistakes of an error of this package by the fields of the definition that
// they are about, without the lines, which are those of no file.
func Faults(err error) task.Invalid {
	var bad task.Invalid
	for _, one := range Mistakes(err) {
		text := one.Error()
		if p, ok := errors.AsType[*Problem](one); ok {
			text = p.Text
		}
		field := fieldOf(text)
		bad.Add(field, "%s", strings.TrimPrefix(text, field+": "))
	}
	return bad
}

// neverCalled lets tasks pass: whoever runs the graph says whether they may.
func neverCalled(context.Context, *TaskCall, io.Writer) (json.RawMessage, error) {
	return nil, errors.New("a graph that is only checked is not run")
}

// Mistakes are the errors that an error of this package is made of, one for each mistake.
func Mistakes(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// fieldOf is the field of a definition that a problem is about, by how it begins.
func fieldOf(problem string) string {
	if strings.HasPrefix(problem, "no input ") {
		return "inputs"
	}
	first, _, _ := strings.Cut(problem, " ")
	switch first = strings.TrimSuffix(first, ":"); first {
	case "goal", "inputs", "env", "tries", "retry_delay", "name", "description":
		return first
	case "input":
		return "inputs"
	}
	return "jobs"
}
