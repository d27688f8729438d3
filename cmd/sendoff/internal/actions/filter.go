// Package actions is what acts on many tasks at once: the flags that select tasks, and the
// commands sendoff tasks bulk and sendoff actions.
package actions

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/task"
)

// Filter are the flags that select tasks. They are called as the parameters of
// GET /v1/tasks, with - in place of _.
type Filter struct {
	State          []sendoff.State   `placeholder:"STATE" enum:"scheduled,ready,running,suspended,blocked,succeeded,failed,canceled" help:"One or more of ${enum}."`
	Queue          []Choice          `short:"q" placeholder:"NAME" help:"Any of them, as with every flag that can be repeated."`
	Name           []Choice          `placeholder:"NAME"`
	Kind           []Choice          `placeholder:"KIND" help:"http, function, process, local or job."`
	Function       []Choice          `placeholder:"NAME" help:"Runs of this function."`
	Process        []Choice          `placeholder:"NAME" help:"What a worker process runs."`
	Handler        []Choice          `placeholder:"NAME"`
	Endpoint       []Choice          `placeholder:"URL" help:"Of functions."`
	TargetHost     []Choice          `placeholder:"HOST" help:"Host, or host:port, of the URL."`
	Group          []Choice          `placeholder:"NAME"`
	Priority       []Choice          `placeholder:"N" help:"0 to 9."`
	Reason         []Choice          `placeholder:"WORD" help:"Such as exhausted."`
	Code           []Choice          `placeholder:"CODE" help:"How the last attempt went: a status, or a word such as timeout or crash."`
	LastStatus     []Choice          `placeholder:"STATUS" help:"404, or 5xx."`
	Node           []Choice          `placeholder:"ID" help:"Of the last attempt."`
	Schedule       []Choice          `placeholder:"NAME" help:"That made it."`
	Failure        []Choice          `placeholder:"ID" help:"Of a group that sendoff failures lists."`
	Not            map[string]string `mapsep:"none" placeholder:"FIELD=VALUE" help:"All but these: one of the flags above, as in state=failed."`
	Label          map[string]string `mapsep:"none" placeholder:"K=V" help:"All of them."`
	ParentID       Choice            `placeholder:"ID" help:"Calls that this function made itself."`
	RootID         Choice            `aliases:"root" placeholder:"ID" help:"The calls below this first function of a tree."`
	GraphRun       Choice            `placeholder:"ID" help:"The jobs of this run of a graph."`
	Error          Choice            `placeholder:"TEXT" help:"A part of the last error."`
	MinAttempts    int               `placeholder:"N"`
	IDPrefix       Choice            `placeholder:"TEXT"`
	CreatedAfter   Moment            `placeholder:"TIME|AGO" help:"RFC 3339, or a duration before now such as 1h."`
	CreatedBefore  Moment            `placeholder:"TIME|AGO"`
	StartedAfter   Moment            `placeholder:"TIME|AGO" help:"The last attempt."`
	StartedBefore  Moment            `placeholder:"TIME|AGO"`
	FinishedAfter  Moment            `placeholder:"TIME|AGO"`
	FinishedBefore Moment            `placeholder:"TIME|AGO"`
}

// Choice is a value to select by. An empty one is a variable that somebody forgot to set,
// and would select everything.
type Choice string

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Choice) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		return errors.New("it is empty: leave the flag out to have all")
	}
	*c = Choice(b)
	return nil
}

// Moment is a time, or a duration before now.
type Moment struct{ time.Time }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Moment) UnmarshalText(b []byte) error {
	if d, err := time.ParseDuration(string(b)); err == nil {
		m.Time = time.Now().Add(-max(d, -d))
		return nil
	}
	at, err := task.ParseTime(string(b))
	if err != nil {
		return fmt.Errorf("%q: want a time such as 2026-01-31T12:00:00Z, or a duration before now such as 1h30m", b)
	}
	m.Time = at
	return nil
}

// Where is the filter as parameters of GET /v1/tasks.
func (f *Filter) Where() map[string][]string {
	where := map[string][]string{}
	v := reflect.ValueOf(f).Elem()
	for i := range v.NumField() {
		name := ParamOf(v.Type().Field(i).Name)
		switch value := v.Field(i).Interface().(type) {
		case []sendoff.State:
			for _, s := range value {
				where[name] = append(where[name], string(s))
			}
		case []Choice:
			for _, c := range value {
				where[name] = append(where[name], string(c))
			}
		case Choice:
			if value != "" {
				where[name] = []string{string(value)}
			}
		case int:
			if value != 0 {
				where[name] = []string{strconv.Itoa(value)}
			}
		case Moment:
			if !value.IsZero() {
				where[name] = []string{value.UTC().Format(time.RFC3339Nano)}
			}
		}
	}
	for field, value := range f.Not {
		where[strings.ReplaceAll(field, "-", "_")+"!"] = []string{value}
	}
	for k, v := range f.Label {
		where["label."+k] = []string{v}
	}
	return where
}

// ParamOf is the parameter for a field of Filter.
func ParamOf(field string) string {
	var b strings.Builder
	for i, r := range strings.ReplaceAll(field, "ID", "Id") {
		if r >= 'A' && r <= 'Z' {
			if i > 0 {
				b.WriteByte('_')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}
